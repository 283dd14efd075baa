"""What a payment asks for is killed with SIGKILL at every point where it can be half done, and run again: one report, one refund,
at most one mail, and a book as if nothing had happened."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from leadfactory import stage
from leadfactory.d06_reports.tables import audit_reports, report_deliveries
from leadfactory.d07_storefront import refunds
from leadfactory.d07_storefront.tables import money_entries, refund_requests
from tests.crash.forks import Ended, Forks
from tests.leads import TUESDAY, UNIT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
KILLED = -9


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as parent:
        yield parent


def sell(shop, number, heard):
    """A sale, folded, of which a part is asked back; nothing else was done for it. ``heard`` are the events that were told before."""
    session_id = shop.buy(shop.letter(number))
    shop.tell(news := [event for event in shop.events() if event["id"] not in heard])
    heard |= {event["id"] for event in news}
    (bought,) = [row for row in shop.purchases if row.session_id == session_id]
    with shop.world.db.begin() as tx:
        refunds.plan(
            tx, bought.purchase_id, reason="goodwill", requested_by="operator", now=TUESDAY, amount_cents=5_000
        )
    return bought


def run(shop, forks, kill_at=None) -> Ended:
    config = shop.world.settings
    environment = {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(config.home), "LEADFACTORY_CLOCK": TUESDAY.isoformat(),
        "LEADFACTORY_SANDBOX_URL": config.sandbox_url, "LEADFACTORY_PUBLIC_URL": config.public_url,
        "LEADFACTORY_DATABASE_URL": shop.world.db.url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql"),
    } | ({} if kill_at is None else {stage.CRASH_AT: str(kill_at)})  # fmt: skip
    return forks.run(environment, "paid", UNIT.key)


def stands(shop, bought):
    """How one purchase stands."""
    book: Counter[str] = Counter()
    for row in shop.world.rows(sa.select(money_entries).where(money_entries.c.purchase_id == bought.purchase_id)):
        book[row.account] += row.amount_cents
    of = {
        table.name: shop.world.rows(sa.select(table).where(table.c.purchase_id == bought.purchase_id))
        for table in (audit_reports, report_deliveries, refund_requests)
    }
    (mail,) = of["report_deliveries"]
    return {
        "book": {name: cents for name, cents in book.items() if cents},
        "reports": [(row.version, row.html_sha256 is not None) for row in of["audit_reports"]],
        "refunds": [row.state for row in of["refund_requests"]],
        "mails": sum(each["custom_args"]["send_id"] == str(mail.delivery_id) for each in shop.mails()),
        "mail": (mail.state, mail.reason is not None),
    }


def test_killed_at_any_point_and_run_again_everything_is_done_once(shop, forks, owner_database):
    heard: set[str] = set()
    first = sell(shop, 1, heard)
    ended = run(shop, forks, 0)
    assert ended.status == 0, ended.err
    points, whole = ended.points, stands(shop, first)
    assert (whole["reports"], whole["refunds"], whole["mails"], whole["mail"]) == ([(1, True)], ["accepted"], 1, ("accepted", False))  # fmt: skip
    wrong = {}
    for at in range(1, len(points) + 1):
        bought = sell(shop, at + 1, heard)
        assert run(shop, forks, at).status == KILLED, f"point {at} of {len(points)} was not reached"
        with owner_database.begin() as tx:  # the lease of the dead is over
            lapsed = sa.text("now() - interval '1 hour'")
            dead = report_deliveries.c.state == "claimed"
            tx.execute(sa.update(report_deliveries).where(dead).values(claim_expires_at=lapsed))
        again = run(shop, forks)
        found = stands(shop, bought)
        named = found["mail"] == ("accepted", False) and found["mails"] == 1
        named = named or (found["mail"] == ("unknown", True) and found["mails"] <= 1)
        same = all(found[name] == whole[name] for name in ("book", "reports", "refunds"))
        if again.status != 0 or not named or not same:
            wrong[at, points[at - 1]] = (again.status, found)
    assert wrong == {}, json.dumps({str(key): str(value) for key, value in wrong.items()}, indent=1)
    given = shop.vendor.get("/_truth/stripe", params={"kind": "refund"}).json()
    assert len(given) == len(points) + 1
