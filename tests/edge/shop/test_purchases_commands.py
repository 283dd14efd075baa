"""`leadfactory purchases …` on sales that were made through the edge and the sandbox's Stripe."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.main import app
from cli.output import CommandError
from leadfactory.d10_analytics import sales

PAYER = "owner@joes.example"


@pytest.fixture
def run(shop, monkeypatch):
    """Calls a command with the shop's settings; its JSON document where it prints one."""
    url = shop.world.db.url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")
    configured = shop.world.settings.model_copy(update={"database_url": SecretStr(url)})
    monkeypatch.setattr("leadfactory.settings.settings", lambda: configured)

    def call(*words: str, code: int = 0):
        done = CliRunner().invoke(app, ["purchases", *words])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if done.stdout.startswith(("{", "[")) else done.stdout

    return call


@pytest.fixture
def sold(shop):
    """Two sales, delivered."""
    for number in (1, 2):
        session_id = shop.buy(shop.letter(number))
        assert shop.client.get("/success", params={"session_id": session_id}).status_code == 200
    shop.tell()
    shop.work()
    return sorted(shop.purchases, key=lambda row: str(row.purchase_id))


def test_sales_are_listed_with_a_book_that_sums_to_zero(run, sold):
    told = run("list", "--json")
    assert {row["purchase_id"] for row in told["purchases"]} == {str(row.purchase_id) for row in sold}
    assert told["book"]["usd"] == {"sales": -39_800, "stripe": 39_800}
    assert run("list", "--state=refunded", "--json")["purchases"] == []


def test_a_mail_that_a_refund_overtook_says_why_it_did_not_leave(shop, run):
    session_id = shop.buy(shop.letter())
    shop.client.get("/success", params={"session_id": session_id})
    shop.refund(session_id)
    shop.tell()
    shop.work()
    (row,) = run("list", "--json")["purchases"]
    assert (row["mail"], row["mail_reason"]) == ("refused", "the purchase is refunded")
    assert "the purchase is refunded" in json.dumps(run("show", row["purchase_id"], "--json")["mails"])
    with shop.world.db.begin() as tx:
        assert sales.not_delivered(tx, [shop.world.unit]) == {"refused: the purchase is refunded": 1}


def test_a_sale_is_told_with_its_report_and_mail_and_without_an_address(run, sold):
    told = run("show", str(sold[0].purchase_id), "--json")
    assert (told["state"], len(told["reports"]), len(told["postings"])) == ("paid", 1, 2)
    assert PAYER not in json.dumps(told)


def test_the_evidence_names_terms_hashes_and_openings(run, sold, shop):
    told = json.dumps(run("evidence", str(sold[0].purchase_id)))
    (report,) = shop.world.rows(audit_reports_of(sold[0]))
    assert report.pdf_sha256 in told
    assert PAYER not in told


def test_a_refund_is_tried_then_given_once_and_the_match_still_finds_no_difference(run, sold, shop):
    mine = str(sold[0].purchase_id)
    assert run("match", "--json")["difference"] == 0
    assert run("refund", mine, "--dry-run", "--json") == {
        "purchase_id": mine, "amount_cents": 19_900, "currency": "usd", "dry_run": True,
    }  # fmt: skip
    assert run("refund", mine, "--amount=50", "--yes", "--json")["accepted"] == 1
    shop.tell()
    assert run("show", mine, "--json")["state"] == "partially_refunded"
    assert run("refund", mine, "--yes", "--json")["amount_cents"] == 14_900
    shop.tell()
    assert run("show", mine, "--json")["state"] == "refunded"
    with pytest.raises(CommandError):
        run("refund", mine, "--yes")
    assert run("match", "--json")["difference"] == 0


def test_a_sale_that_stripe_does_not_know_is_named_by_the_match(run, sold, shop):
    import sqlalchemy as sa

    from leadfactory.d07_storefront.tables import purchases

    with shop.world.db.begin() as tx:
        tx.execute(sa.update(purchases).where(purchases.c.purchase_id == sold[0].purchase_id).values(amount_cents=1))
    assert run("match", "--json", code=2)["difference"] > 0


def audit_reports_of(sale):
    import sqlalchemy as sa

    from leadfactory.d06_reports.tables import audit_reports

    return sa.select(audit_reports).where(audit_reports.c.purchase_id == sale.purchase_id)


def test_an_invoice_and_tax_are_asked_for_where_the_settings_say_so(shop, monkeypatch):
    from leadfactory.d07_storefront import checkout
    from leadfactory.d07_storefront.storefront import storefront

    chosen = storefront().model_copy(update={"invoice": True, "automatic_tax": True})
    monkeypatch.setattr(checkout, "storefront", lambda: chosen)
    session = shop.session(shop.open(shop.letter()).rsplit("/", 1)[1])
    assert session["invoice_creation"]["enabled"] is True
    assert session["automatic_tax"]["enabled"] is True
