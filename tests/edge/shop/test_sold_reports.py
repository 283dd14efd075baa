"""What was bought is sealed once, shown at once, mailed once, kept as it was, and closed when the money goes back."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.purchases import app
from cli.stores import actor
from leadfactory import blobs
from leadfactory.audit_log import audit_log
from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d03_assessment.tables import site_audits, site_insights
from leadfactory.d06_reports import delivering, links, remeasuring, rendering, sealing
from leadfactory.d06_reports.settings import config
from leadfactory.d06_reports.tables import audit_reports, report_accesses, report_deliveries
from leadfactory.d07_storefront import refunds
from leadfactory.d07_storefront.tables import purchases, refund_requests
from leadfactory.d09_delivery import folding, suppression
from leadfactory.d09_delivery.tables import suppressions
from leadfactory.inbox.tables import webhook_inbox
from leadfactory.quality.gx import judge
from leadfactory.settings import settings
from leadfactory.tokens import Tokens
from tests.leads import TUESDAY, UNIT

PAYER = "owner@joes.example"


def success(shop, session_id):
    return shop.client.get("/success", params={"session_id": session_id})


def urls(text):
    return sorted(set(re.findall(r"https://lf\.example(/r/[\w-]+(?:\.pdf)?)", text)))


def test_the_success_page_shows_the_report_before_any_webhook(shop):
    session_id = shop.buy(shop.letter())
    page = success(shop, session_id)
    report, pdf = urls(page.text)
    assert (page.status_code, pdf) == (200, f"{report}.pdf")
    assert "shop1.example" in shop.client.get(report).text
    assert shop.client.get(pdf).content.startswith(b"%PDF-")
    assert [row.state for row in shop.purchases] == ["paid"]


def test_who_pays_while_the_run_is_under_way_is_served_by_it(shop):
    shop.buy(shop.letter())
    for event in shop.events():  # it has come, and no drain has seen it
        assert shop.world.pay(event).status_code == 200
    assert shop.work()["mails accepted"] == 1
    assert [row.state for row in shop.purchases] == ["paid"]
    assert len(shop.mails()) == 1


def test_the_report_is_printed_while_its_buyer_is_at_the_till(shop):
    shop.client.app.state.prepares = True
    url = shop.open(shop.letter())
    prints = rendering._printed.cache_info().misses
    assert shop.world.all(audit_reports) == []  # nothing is sold yet
    shop.pay(url)
    _, pdf = urls(success(shop, url.rsplit("/", 1)[1]).text)
    assert shop.client.get(pdf).content.startswith(b"%PDF-")
    assert rendering._printed.cache_info().misses == prints


def test_what_cannot_be_printed_yet_is_no_error_at_the_till(shop):
    clock = shop.world.settings.clock
    sealing.prepare(uuid.uuid4(), db=shop.world.db, clock=clock)
    send_id = shop.letter()
    with shop.world.db.begin() as tx:
        tx.execute(sa.delete(site_audits))
    sealing.prepare(send_id, db=shop.world.db, clock=clock)
    assert shop.world.all(audit_reports) == []


def test_a_report_that_breaks_is_told_to_its_buyer_keeps_nobody_else_waiting_and_is_mailed_once_it_can_be_made(
    shop, caplog
):
    broken, good = shop.letter(), shop.letter(2)
    session_id = shop.buy(broken)
    shop.buy(good, email="jane@other.example")
    shop.tell()
    of_broken = shop.purchases[0] if shop.purchases[0].session_id == session_id else shop.purchases[1]
    spoil = sa.update(site_audits).where(site_audits.c.business_id == of_broken.business_id)
    with shop.world.db.begin() as tx:
        tx.execute(spoil.values(field_data={"percentiles": 7}))
    with pytest.raises(TypeError):  # as it does while its buyer is at the till, where it is logged and nothing more
        sealing.prepare(broken, db=shop.world.db, clock=shop.world.settings.clock)
    page = success(shop, session_id)
    assert (page.status_code, "Thank you" in page.text, urls(page.text)) == (200, True, [])
    assert shop.work()["not sealed: TypeError"] == 1
    assert f"the report of purchase {of_broken.purchase_id} cannot be made" in caplog.text
    assert [mail["to"] for mail in shop.mails()] == [["jane@other.example"]]
    with shop.world.db.begin() as tx:
        tx.execute(spoil.values(field_data=None))
    shop.work()
    assert [mail["to"] for mail in shop.mails()][1:] == [[PAYER]]
    assert {row.state for row in shop.world.all(report_deliveries)} == {"accepted"}


def test_loading_it_again_and_the_webhook_later_change_nothing(shop):
    session_id = shop.buy(shop.letter())
    first = success(shop, session_id).text
    shop.tell()
    assert success(shop, session_id).text == first
    assert [len(shop.world.all(table)) for table in (purchases, audit_reports, report_deliveries)] == [1, 1, 1]
    assert shop.book == {"stripe": 19_900, "sales": -19_900}


def test_the_landing_page_says_that_it_was_bought_until_the_money_is_back(shop):
    send_id = shop.letter()
    landing = f"/a/{shop.token('landing', send_id)}"
    session_id = shop.buy(send_id)
    success(shop, session_id)
    assert "Have the links sent again" in shop.client.get(landing).text
    assert "/checkout" not in shop.client.get(landing).text
    shop.refund(session_id)
    shop.tell()
    assert "/checkout" in shop.client.get(landing).text


def test_many_loads_and_posts_at_once_make_one_purchase_and_one_report(shop):
    session_id = shop.buy(shop.letter(8))  # no other test sells its report: it is printed here, while all of them wait
    events = shop.events()
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(success, shop, session_id) for _ in range(6)]
        jobs += [pool.submit(shop.tell, events) for _ in range(2)]
        answers = [job.result() for job in jobs]
    assert {answer.status_code for answer in answers if answer is not None} == {200}
    assert [len(shop.world.all(table)) for table in (purchases, audit_reports)] == [1, 1]
    assert shop.book["stripe"] == 19_900


def test_the_session_of_somebody_else_and_nonsense_show_nothing(shop):
    for session_id in ("", "cs_test_nope", "x" * 300):
        assert success(shop, session_id).status_code == 404


def test_an_unpaid_session_shows_nothing_and_makes_nothing(shop):
    session_id = shop.open(shop.letter()).rsplit("/", 1)[1]
    assert (success(shop, session_id).status_code, shop.purchases) == (404, [])


def test_when_stripe_is_down_the_buyer_is_told_not_to_pay_again(shop):
    session_id = shop.buy(shop.letter())
    shop.vendor.post("/_admin/faults", json={"vendor": "stripe", "kind": "5xx", "rate": 1.0}).raise_for_status()
    page = success(shop, session_id)
    assert (page.status_code, "need not pay again" in page.text) == (503, True)


def test_the_link_is_mailed_once_to_the_paying_address(shop):
    shop.buy(shop.letter())
    shop.tell()
    shop.work()
    shop.work()
    (mail,) = shop.mails()
    (row,) = shop.world.all(report_deliveries)
    assert (row.state, mail["to"]) == ("accepted", [PAYER])
    assert PAYER not in str([dict(each._mapping) for each in shop.world.all(report_deliveries)])


def test_a_mail_whose_answer_is_lost_stays_unknown_until_an_event_tells(shop):
    shop.buy(shop.letter())
    shop.tell()
    shop.vendor.post(
        "/_admin/faults", json={"vendor": "sendgrid", "kind": "lost", "rate": 1.0, "count": 1}
    ).raise_for_status()
    shop.work()
    (row,) = shop.world.all(report_deliveries)
    assert row.state == "unknown"
    shop.work()
    assert len(shop.mails()) == 1
    shop.world.post([shop.world.event("delivered", row.delivery_id)])
    folding.drain(db=shop.world.db, clock=shop.world.settings.clock)
    shop.work()
    (row,) = shop.world.all(report_deliveries)
    assert (row.state, row.delivered_at) == ("accepted", TUESDAY)
    assert [each.reason for each in shop.world.all(webhook_inbox) if each.send_id == row.delivery_id] == [
        folding.OF_A_REPORT
    ]


def test_a_mail_waits_while_stripe_cannot_tell_the_address(shop):
    shop.buy(shop.letter())
    shop.tell()
    shop.vendor.post("/_admin/faults", json={"vendor": "stripe", "kind": "5xx", "rate": 1.0}).raise_for_status()
    shop.work()
    assert [row.state for row in shop.world.all(report_deliveries)] == ["planned"]


@pytest.mark.parametrize(
    ("reason", "state"), [("unsubscribe", "accepted"), ("spamreport", "refused"), ("hard_bounce", "refused")]
)
def test_a_suppressed_payer_gets_the_mail_only_where_it_was_letters_that_were_stopped(shop, reason, state):
    shop.buy(shop.letter())
    shop.tell()
    with shop.world.db.begin() as tx:
        suppression.suppress(tx, shop.world.hashes, reason=reason, source="test", now=TUESDAY, address=PAYER)
    shop.work()
    assert [row.state for row in shop.world.all(report_deliveries)] == [state]


def test_a_refund_closes_the_links_and_stops_the_mail(shop):
    session_id = shop.buy(shop.letter())
    report, pdf = urls(success(shop, session_id).text)
    shop.refund(session_id)
    shop.tell()
    shop.work()
    assert {shop.client.get(link).status_code for link in (report, pdf)} == {410}
    assert success(shop, session_id).status_code == 410
    assert (shop.mails(), [row.state for row in shop.world.all(report_deliveries)]) == ([], ["refused"])


def test_a_part_of_the_money_back_leaves_the_report_open(shop):
    session_id = shop.buy(shop.letter())
    report, _ = urls(success(shop, session_id).text)
    shop.refund(session_id, 5_000)
    shop.tell()
    assert shop.client.get(report).status_code == 200


def test_a_dispute_closes_the_links(shop):
    session_id = shop.buy(shop.letter(), card="4000000000000259")
    report, _ = urls(success(shop, session_id).text)
    shop.tell()
    assert shop.client.get(report).status_code == 410


def test_every_opening_is_counted(shop):
    report, pdf = urls(success(shop, shop.buy(shop.letter())).text)
    shop.client.get(report, headers={"user-agent": "Mozilla/5.0 (X11)"})
    shop.client.get(pdf)
    assert [(row.kind, row.given) for row in shop.world.all(report_accesses)] == [("html", True), ("pdf", True)]


@pytest.mark.parametrize("purpose", ["landing", "unsubscribe"])
def test_a_token_for_something_else_opens_no_report(shop, purpose):
    success(shop, shop.buy(shop.letter()))
    (row,) = shop.world.all(audit_reports)
    assert shop.client.get(f"/r/{shop.token(purpose, row.report_id)}").status_code == 404


def test_the_report_runs_no_script_and_shows_its_style(shop):
    report, _ = urls(success(shop, shop.buy(shop.letter())).text)
    policy = shop.client.get(report).headers["content-security-policy"]
    assert ("script-src" in policy, "default-src 'none'" in policy, policy.count("sha256-")) == (False, True, 3)


def test_what_was_sold_stays_what_it_was(shop, owner_database):
    _, pdf = urls(success(shop, shop.buy(shop.letter())).text)
    before = shop.client.get(pdf).content
    (row,) = shop.world.all(audit_reports)
    with pytest.raises(sa.exc.DBAPIError, match="immutable"), owner_database.begin() as tx:
        tx.execute(sa.update(audit_reports).values(html_sha256="0"))
    shop.work()
    assert shop.client.get(pdf).content == before
    assert row.report_on == TUESDAY.date()
    kept = blobs.get(shop.world.settings.blobs, row.evidence_sha256)
    assert b"shop1.example" in kept


def test_old_measurements_are_made_again_and_the_new_version_is_mailed(shop):
    shop.measured_at = TUESDAY - dt.timedelta(days=15)
    session_id = shop.buy(shop.letter())
    shop.tell()
    with shop.world.db.begin() as tx:
        assert remeasuring.due(tx) == []  # nothing was sealed yet
    shop.work()
    found = {row.version: row for row in shop.world.all(audit_reports)}
    assert sorted(found) == [1, 2]
    assert (found[1].measured_at, found[2].measured_at, found[2].report_on) == (
        shop.measured_at,
        TUESDAY,
        TUESDAY.date(),
    )
    assert len(shop.mails()) == 2
    assert len(urls(success(shop, session_id).text)) == 4
    shop.work()
    assert len(shop.world.all(audit_reports)) == 2


def test_a_version_that_was_measured_anew_is_explained_and_compared_as_the_first_was(shop):
    shop.measured_at = TUESDAY - dt.timedelta(days=15)
    send_id = shop.letter()
    for number in range(2, 2 + config().cohort_at_least):
        shop.letter(number)
    with shop.world.db.begin() as tx:
        audit = tx.execute(sa.select(site_audits).where(site_audits.c.site_host == "shop1.example")).one()
        row = {"campaign": UNIT.campaign, "cohort_on": UNIT.day, "business_id": audit.business_id, "audit_id": audit.audit_id, "status": "ok",
               "source": "openai", "headline": "Slow", "explanations": {}, "prompt_version": "1", "fetched_at": TUESDAY}  # fmt: skip
        tx.execute(sa.insert(site_insights).values(row))
    shop.buy(send_id)
    shop.tell()
    shop.work()
    first, second = (
        json.loads(blobs.get(shop.world.settings.blobs, row.evidence_sha256))
        for row in sorted(shop.world.all(audit_reports), key=lambda row: row.version)
    )
    assert (first["insight_source"], second["insight_source"]) == ("openai", "rules")
    assert second["headline"]
    assert set(second["explanations"]) <= {each["kind"] for each in second["findings"]}
    assert (len(first["compared"]), first["sites"]) == (len(second["compared"]), second["sites"])
    assert second["compared"]


def test_fresh_measurements_are_not_made_again(shop):
    shop.measured_at = TUESDAY - dt.timedelta(days=13)
    shop.buy(shop.letter())
    shop.tell()
    shop.work()
    assert [row.version for row in shop.world.all(audit_reports)] == [1]


def test_lost_links_go_to_the_paying_address_only_and_once_an_hour(shop):
    success(shop, shop.buy(shop.letter()))
    shop.work()
    hashes = shop.world.hashes
    with shop.world.db.begin() as tx:
        asked = [delivering.plan_lost(tx, hashes.address(each), TUESDAY) for each in (PAYER, PAYER, "other@x.example")]
    assert asked == [True, False, False]
    shop.work()
    assert len(shop.mails()) == 2


def test_the_links_of_a_payer_are_those_that_are_open(shop):
    for number in (1, 2):
        success(shop, shop.buy(shop.letter(number)))
    tokens = Tokens(shop.world.settings.signing_keys.get_secret_value())
    shop.refund(shop.purchases[0].session_id)
    shop.tell()
    with shop.world.db.begin() as tx:
        found = links.links_for_payer(tx, shop.world.hashes.address(PAYER), tokens, "https://lf.example")
    assert [link.version for link in found] == [1]


def test_not_my_website_gives_the_money_back_and_writes_no_more(shop):
    send_id = shop.letter()
    shop.buy(send_id)
    shop.tell()
    for _ in range(2):
        with shop.world.db.begin() as tx:
            refunds.refund_and_stop(tx, send_id, reason="not_my_website", now=TUESDAY)
    shop.work()
    shop.tell()
    assert [row.state for row in shop.purchases] == ["refunded"]
    assert [(row.state, row.amount_cents) for row in shop.world.all(refund_requests)] == [("accepted", 19_900)]
    assert {row.kind for row in shop.world.all(suppressions)} >= {"address", "business"}
    assert len(shop.vendor.get("/_truth/stripe", params={"kind": "refund"}).json()) == 1


def test_a_refund_whose_answer_is_lost_is_repeated_under_its_key(shop):
    shop.buy(shop.letter())
    shop.tell()
    with shop.world.db.begin() as tx:
        refunds.plan(
            tx,
            shop.purchases[0].purchase_id,
            reason="goodwill",
            requested_by="operator",
            now=TUESDAY,
            amount_cents=5_000,
        )
    shop.vendor.post(
        "/_admin/faults", json={"vendor": "stripe", "kind": "lost", "rate": 1.0, "count": 3}
    ).raise_for_status()
    assert shop.work()["refunds waiting"] == 1
    shop.work()
    shop.tell()
    assert [(row.state, row.refunded_cents) for row in shop.purchases] == [("partially_refunded", 5_000)]
    assert len(shop.vendor.get("/_truth/stripe", params={"kind": "refund"}).json()) == 1


def planned(shop, cents=5_000):
    """A refund that somebody asked for, and nothing has been asked of Stripe yet."""
    with shop.world.db.begin() as tx:
        bought = shop.purchases[0].purchase_id
        refunds.plan(tx, bought, reason="goodwill", requested_by="operator", now=TUESDAY, amount_cents=cents)


def given_later(shop, **later):
    """The refunds of a run that comes ``later``."""
    config = shop.world.settings
    clock = Clock(start=TUESDAY + dt.timedelta(**later))
    stripe = StripeClient(Gateway(shop.world.db, clock=clock, settings=config), config)
    return asyncio.run(refunds.give_all(db=shop.world.db, stripe=stripe, clock=clock))


def test_a_refund_that_nothing_asked_of_stripe_for_days_is_given_all_the_same(shop):
    shop.buy(shop.letter())
    shop.tell()
    planned(shop)
    assert given_later(shop, days=3).accepted == 1
    assert [row.state for row in shop.world.all(refund_requests)] == ["accepted"]


def test_a_refund_that_never_reached_stripe_while_its_key_lived_is_told_and_can_be_asked_for_again(shop):
    shop.buy(shop.letter())
    shop.tell()
    planned(shop)
    fault = {"vendor": "stripe", "kind": "5xx", "rate": 1.0, "count": 3}
    shop.vendor.post("/_admin/faults", json=fault).raise_for_status()
    assert given_later(shop, hours=1).waiting == 1
    assert given_later(shop, hours=26).rejected == 1
    assert [(row.state, row.why) for row in shop.world.all(refund_requests)] == [("rejected", refunds.NEVER_MADE)]
    planned(shop)
    assert given_later(shop, hours=27).accepted == 1
    assert len(shop.vendor.get("/_truth/stripe", params={"kind": "refund"}).json()) == 1


def test_a_bank_payment_that_arrives_after_not_my_website_goes_back(shop):
    send_id = shop.letter()
    shop.buy(send_id, card="bank")
    arrived = "checkout.session.async_payment_succeeded"
    shop.tell([event for event in shop.events() if event["type"] != arrived])
    assert [row.state for row in shop.purchases] == ["pending"]
    with shop.world.db.begin() as tx:
        refunds.refund_and_stop(tx, send_id, reason=refunds.NOT_THEIRS, now=TUESDAY)
    shop.tell()
    shop.work()
    shop.tell()
    assert [(row.state, row.refunded_cents) for row in shop.purchases] == [("refunded", 19_900)]


def test_nothing_is_sold_from_an_open_page_to_a_business_that_wants_no_offer(shop):
    send_id = shop.letter()
    with shop.world.db.begin() as tx:
        refunds.refund_and_stop(tx, send_id, reason=refunds.NOT_THEIRS, now=TUESDAY)
    assert (shop.ask(send_id).status_code, shop.checkouts) == (404, [])


@pytest.mark.parametrize(("given", "named"), [(["--by=Ana"], "operator Ana"), ([], actor())])
def test_a_refund_by_command_keeps_who_gave_it(shop, given, named, monkeypatch):
    shop.buy(shop.letter())
    shop.tell()
    monkeypatch.setenv("LEADFACTORY_DATABASE_URL", shop.world.db.url.render_as_string(hide_password=False))
    monkeypatch.setenv("LEADFACTORY_HOME", str(shop.world.settings.home))
    monkeypatch.setenv("LEADFACTORY_CLOCK", TUESDAY.isoformat())
    monkeypatch.setenv("STRIPE_BASE_URL", shop.world.settings.stripe_base_url)
    monkeypatch.setenv("STRIPE_API_KEY", shop.world.settings.stripe_api_key.get_secret_value())
    settings.cache_clear()
    try:
        arguments = ["refund", str(shop.purchases[0].purchase_id), "--amount=50", "--yes", "--json", *given]
        done = CliRunner().invoke(app, arguments)
    finally:
        settings.cache_clear()
    assert done.exit_code == 0, done.output
    ((who, state),) = [(row.requested_by, row.state) for row in shop.world.all(refund_requests)]
    assert (who, state) == (named, "accepted")
    assert [row.actor for row in shop.world.all(audit_log) if row.action == "refund_asked"] == [named]


@pytest.mark.parametrize("cents", [0, -1, 19_901])
def test_more_than_was_paid_is_not_given_back(shop, cents):
    shop.buy(shop.letter())
    shop.tell()
    with pytest.raises(refunds.NotRefundable, match=f"amount={cents} cents"), shop.world.db.begin() as tx:
        refunds.plan(
            tx, shop.purchases[0].purchase_id, reason="x", requested_by="operator", now=TUESDAY, amount_cents=cents
        )


def test_the_set_rules_hold_and_miss_a_report_that_is_not_there(shop):
    shop.buy(shop.letter())
    shop.tell()
    with shop.world.db.begin() as tx:
        assert "every_purchase_has_its_report" in str(judge(tx, "audit_reports", UNIT).broken)
    shop.work()
    with shop.world.db.begin() as tx:
        assert judge(tx, "audit_reports", UNIT).broken == ()


def test_the_lost_page_says_the_same_to_all_and_mails_the_payer_only(shop):
    success(shop, shop.buy(shop.letter()))
    shop.work()
    said = {shop.client.post("/reports/lost", data={"email": each}).text for each in (PAYER, "other@x.example")}
    shop.work()
    assert (len(said), [mail["to"] for mail in shop.mails()]) == (1, [[PAYER], [PAYER]])


@pytest.mark.parametrize("email", ["", "nonsense", "a" * 300 + "@x.example"])
def test_what_is_no_address_is_asked_for_again(shop, email):
    assert shop.client.get("/reports/lost").status_code == 200
    assert shop.client.post("/reports/lost", data={"email": email}).status_code == 400


def test_the_page_not_my_website_pays_back_what_was_bought(shop):
    send_id = shop.letter()
    report, _ = urls(success(shop, shop.buy(send_id)).text)
    link = f"/not-my-site/{shop.token('landing', send_id)}"
    assert shop.client.post(link, data={"reason": "not_mine"}).status_code == 200
    shop.work()
    shop.tell()
    assert ([row.state for row in shop.purchases], shop.client.get(report).status_code) == (["refunded"], 410)
