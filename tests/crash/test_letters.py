"""The sender killed with SIGKILL at every point: letters through an own relay, follow-ups, two senders at once, answers that were lost.

What left is asked of whoever took it (the sandbox's truth log, a real SMTP server): never twice, never without a named state, and
nothing is forgotten. First letters through SendGrid are killed in test_matrix.py, beside every other stage.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from aiosmtpd.controller import Controller

from leadfactory import stage
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d08_personalization import follow_ups
from leadfactory.d09_delivery import planning, sending
from leadfactory.d09_delivery.mailer import PostOffice
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.tokens import Tokens
from sandbox import process
from tests.crash.forks import Ended, Forks
from tests.leads import CLOCK, TUESDAY, UNIT, Leads
from tests.postgres import settings_for_tests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
KILLED = -9
MOST = 34  # businesses, of which some are held out: more than there are points
MONDAY = TUESDAY + dt.timedelta(days=6)  # the window after a follow-up's delay


class Relay:
    """A mail server that takes everything and keeps the Message-IDs."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.taken.append(str(email.message_from_bytes(envelope.content)["Message-ID"]).strip("<>").partition("@")[0])
        return "250 accepted"


class Sender(Leads):
    """Planned letters that are let go one by one, a sender in a process of its own, and what became of them outside."""

    forks: Forks
    vendor: httpx.Client
    relay: Relay
    at = TUESDAY
    environment: dict[str, str]

    def plan(self, businesses: int = MOST) -> list[uuid.UUID]:
        """Everything is drafted and planned, and nothing is due yet."""
        for number in range(businesses):
            self.business(number)
        asyncio.run(self.through("draft"))
        return self._plan()

    def follow_up(self) -> list[uuid.UUID]:
        """All first letters left; their follow-ups are written and planned, and none is due yet."""
        self.plan()
        self.change(
            "UPDATE email_sends SET state = 'accepted', claimed_at = :at, settled_at = :at, sendgrid_id = 'x'",
            at=TUESDAY,
        )
        self.at = MONDAY
        self.change("UPDATE site_audits SET expires_at = :late", late=MONDAY + dt.timedelta(days=9))
        tokens = Tokens(self.settings.signing_keys.get_secret_value())
        with self.db.begin() as tx:
            follow_ups.write_due(tx, tokens, self.settings.public_url, UNIT, MONDAY, policy().follow_up_delays)
        return self._plan()

    def _plan(self) -> list[uuid.UUID]:
        with self.db.begin() as tx:
            planning.plan_sends(tx, UNIT, self.at, self.hashes)
        later = self.at + dt.timedelta(days=2)
        self.change(
            "UPDATE email_sends SET due_at = :later, expires_at = :later + interval '1 day' WHERE state = 'planned'",
            later=later,
        )
        found = self.rows(
            sa.select(email_sends.c.send_id).where(email_sends.c.state == "planned").order_by(email_sends.c.send_id)
        )
        return [row.send_id for row in found]

    def let_go(self, *sends: uuid.UUID) -> None:
        self.change("UPDATE email_sends SET due_at = :now WHERE send_id = ANY(:sends)", now=self.at, sends=list(sends))

    def change(self, statement: str, **values: Any) -> None:
        with self.db.begin() as tx:
            tx.execute(sa.text(statement), values)

    def run(self, kill_at: int | None = None, forks: Forks | None = None) -> Ended:
        crash = {} if kill_at is None else {stage.CRASH_AT: str(kill_at)}
        clock = {"LEADFACTORY_CLOCK": self.at.isoformat()}
        return (forks or self.forks).run(self.environment | clock | crash, "sending", UNIT.key)

    def lapse(self) -> None:
        """The leases of the dead are over."""
        self.change("UPDATE email_sends SET claim_expires_at = now() - interval '1 hour' WHERE state = 'claimed'")

    def left(self) -> Counter[str]:
        """How often each send left, says who took it."""
        mails = self.vendor.get("/_truth/sendgrid", params={"kind": "mail"}).json()
        return Counter([each["custom_args"]["send_id"] for each in mails] + self.relay.taken)

    def wrong(self, *sends: uuid.UUID) -> list[str]:
        """What must not be, of sends that were let go."""
        left, told = self.left(), []
        for row in self.rows(sa.select(email_sends).where(email_sends.c.send_id.in_(sends))):
            count = left[str(row.send_id)]
            named = (row.state, count) == ("accepted", 1) or (row.state == "unknown" and row.reason and count <= 1)
            told += [] if named else [f"{row.send_id} is {row.state} ({row.reason}) and left {count} times"]
        return told


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    with Forks() as parent:
        yield parent


@pytest.fixture(scope="module")
def vendors() -> Iterator[process.SandboxProcess]:
    with process.start(clock=TUESDAY.isoformat()) as found:
        yield found


@pytest.fixture
def sender(database: Any, tmp_path: Any, forks: Forks, vendors: process.SandboxProcess) -> Iterator[Sender]:
    made = Sender(database, settings_for_tests(tmp_path, LEADFACTORY_SANDBOX_URL=vendors.base_url))
    made.campaign()
    made.forks, made.relay = forks, Relay()
    controller = Controller(made.relay, hostname="127.0.0.1", port=_free_port())
    controller.start()
    made.environment = {
        "LEADFACTORY_ENV": "test", "LEADFACTORY_HOME": str(tmp_path), "LEADFACTORY_SANDBOX_URL": vendors.base_url,
        "SMTP_URL": f"smtp://127.0.0.1:{controller.port}", "LEADFACTORY_PUBLIC_URL": made.settings.public_url,
        "LEADFACTORY_DATABASE_URL": database.url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql"),
    }  # fmt: skip
    try:
        with httpx.Client(base_url=vendors.base_url, timeout=10) as made.vendor:
            made.vendor.post("/_admin/reset").raise_for_status()
            made.vendor.post("/_admin/options", json={"sendgrid_per_minute": 10**6}).raise_for_status()
            yield made
    finally:
        with contextlib.suppress(Exception):
            controller.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.mark.parametrize("kind", ["first letters by an own relay", "follow-ups"])
def test_killed_at_any_point_and_run_again_each_letter_leaves_at_most_once_and_is_named(
    sender: Sender, kind: str
) -> None:
    sends = iter(sender.plan() if kind != "follow-ups" else sender.follow_up())
    if kind != "follow-ups":
        sender.change("UPDATE campaigns SET mailer = 'smtp'")
    first = next(sends)
    sender.let_go(first)
    ended = sender.run(0)
    assert ended.status == 0, ended.err
    points = ended.points
    assert sender.left() == {str(first): 1}
    wrong, unknown = {}, 0
    for at in range(1, len(points) + 1):
        send = next(sends)
        sender.let_go(send)
        assert sender.run(at).status == KILLED, f"point {at} of {len(points)} was not reached"
        sender.lapse()
        again = sender.run()
        told = sender.wrong(send) + ([] if again.status == 0 else [again.err[-500:]])
        (row,) = sender.rows(sa.select(email_sends).where(email_sends.c.send_id == send))
        unknown += row.state == "unknown"
        if told:
            wrong[at, points[at - 1]] = told
    assert wrong == {}
    assert 0 < unknown < len(points) // 2, "only what was begun and not settled is unknown"


def test_two_senders_at_once_of_which_one_is_killed_send_each_letter_once(sender: Sender) -> None:
    """The other one is `due_sends`, over all cohorts, which waits for no campaign-day's lock."""
    sends = sender.plan(12)
    office = PostOffice.of(sender.settings, Gateway(sender.db, clock=CLOCK, settings=sender.settings))

    def everything_due() -> None:
        asyncio.run(
            sending.send_all_due(db=sender.db, clock=CLOCK, settings=sender.settings, mailer=office, dry_run=False)
        )

    with ThreadPoolExecutor(2) as pool:
        for number, kill_at in enumerate((6, 12)):
            mine = sends[number * 5 : number * 5 + 5]
            sender.let_go(*mine)
            runs = pool.submit(sender.run, kill_at), pool.submit(everything_due)
            assert runs[0].result().status in (KILLED, 0)  # the other one may have taken all
            runs[1].result()
            sender.lapse()
            assert sender.run().status == 0
            assert sender.wrong(*mine) == []


@pytest.mark.parametrize("fault", ["lost", "reset"])
def test_an_answer_that_never_came_leaves_a_named_state_and_no_second_letter(sender: Sender, fault: str) -> None:
    sends = sender.plan(10)
    sender.let_go(*sends)
    sender.vendor.post("/_admin/faults", json={"vendor": "sendgrid", "kind": fault, "rate": 0.5}).raise_for_status()
    assert sender.run().status == 0
    sender.vendor.delete("/_admin/faults").raise_for_status()
    for _ in range(2):
        assert sender.run().status == 0
    left = sender.left()
    assert sender.wrong(*sends) == []
    states = {
        row.send_id: row.state for row in sender.rows(sa.select(email_sends).where(email_sends.c.send_id.in_(sends)))
    }
    assert set(states.values()) == {"accepted", "unknown"}
    assert all(left[str(send)] == (1 if fault == "lost" else 0) for send, state in states.items() if state == "unknown")
