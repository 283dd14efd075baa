"""What an operator asks of the whole: is it sound, is this file of variables fit, how did it do, take over the configuration."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
import sqlalchemy as sa

from cli import system_check
from leadfactory import pauses, reloading
from leadfactory.audit_log import audit_log
from leadfactory.d00_gateway import policies
from leadfactory.d00_gateway.tables import vendor_calls
from leadfactory.settings import ROOT, settings

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
GOOD = {
    "LEADFACTORY_ENV": "production",
    "LEADFACTORY_DATABASE_URL": "postgresql://lf_app:s3cret@db.internal:5432/leadfactory",
    "DAGSTER_DATABASE_URL": "postgresql://lf_dagster:s3cret@db.internal:5432/dagster",
    "LEADFACTORY_PUBLIC_URL": "https://audits.acme.test",
    "LEADFACTORY_SUPPRESSION_KEY": "k" * 40,
    "LEADFACTORY_SIGNING_KEYS": "s" * 40,
    "YELP_API_KEY": "y" * 40,
    "GOOGLE_API_KEY": "g" * 40,
    "OPENAI_API_KEY": "sk-" + "o" * 40,
    "SENDGRID_API_KEY": "SG." + "m" * 40,
    "SENDGRID_WEBHOOK_PUBLIC_KEY": "MFkw" + "w" * 40,
    "STRIPE_API_KEY": "sk_live_" + "p" * 40,
    "STRIPE_WEBHOOK_SECRET": "whsec_" + "h" * 40,
    "LEADFACTORY_BACKUP_KEYS": "AGE-SECRET-KEY-1" + "Q" * 58,
}


SELLER = (ROOT / "config" / "seller.yaml").read_text().replace("invented: true", "invented: false")
CONTACTS = re.sub(r'(phone|slack): "\[Contact\]"', r"\1: null", (ROOT / "config" / "contacts.yaml").read_text())
CONTACTS = CONTACTS.replace("[Contact]", "people@acme.test")


def judged(here, tmp_path, exit_code=1, **changes: str | None) -> dict[str, str]:
    file = tmp_path / "env"
    for name, text in (("seller.yaml", SELLER), ("contacts.yaml", CONTACTS)):  # where the compose file mounts them from
        if not (tmp_path / name).exists():
            (tmp_path / name).write_text(text)
    values = {name: value for name, value in (GOOD | changes).items() if value is not None}
    file.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    found = here("doctor", f"--env-file={file}", "--json", exit_code=exit_code)
    return {one["name"]: one["told"] for one in found if one["state"] != "ok"}


def test_a_file_that_is_fit_for_production_has_no_finding(here, tmp_path):
    assert judged(here, tmp_path, exit_code=0) == {}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("STRIPE_WEBHOOK_SECRET", None, "missing"),
        ("LEADFACTORY_BACKUP_KEYS", None, "missing"),
        ("LEADFACTORY_ENV", "development", "is 'development'"),
        ("LEADFACTORY_SUPPRESSION_KEY", "development-only-suppression-key", "is a default of development"),
        ("STRIPE_API_KEY", "sk_test_51abc", "is a test-mode value"),
        ("LEADFACTORY_CLOCK", "2026-10-06T15:00:00+00:00", "belongs to development and tests"),
        ("LEADFACTORY_DATABASE_URL", "postgresql://lf_app:x@localhost/leadfactory", "points at this machine"),
        ("LEADFACTORY_PUBLIC_URL", "http://audits.acme.test", "is http://audits.acme.test"),
        ("YELP_API_KEY", "change-me", "is a placeholder"),
    ],
)
def test_each_fault_of_a_file_of_variables_is_named(here, tmp_path, name, value, told):
    assert judged(here, tmp_path, **{name: value}) == {name: told}


@pytest.mark.parametrize(
    ("file", "variable", "told"),
    [
        ("seller.yaml", "LEADFACTORY_SELLER", "says invented: true"),
        ("contacts.yaml", "LEADFACTORY_CONTACTS", "leaves on_call.mail"),
    ],
)
def test_the_company_and_the_people_beside_the_file_are_judged_too(here, tmp_path, file, variable, told):
    (tmp_path / file).write_text((ROOT / "config" / file).read_text())
    (found,) = judged(here, tmp_path).items()
    assert found[0] == variable
    assert told in found[1]


def test_a_company_that_nobody_named_is_missed_with_the_place_where_it_belongs(here, tmp_path):
    (tmp_path / "env").write_text("YELP_API_KEY=abc\n")
    told = {one["name"]: one for one in here("doctor", f"--env-file={tmp_path / 'env'}", "--json", exit_code=1)}
    assert f"cp config/seller.yaml {tmp_path / 'seller.yaml'}" in told["LEADFACTORY_SELLER"]["remedy"]


def test_a_company_in_another_place_counts_and_one_that_is_not_here_is_pointed_out(here, tmp_path):
    elsewhere = tmp_path / "us.yaml"
    elsewhere.write_text(SELLER)
    assert judged(here, tmp_path, 0, LEADFACTORY_SELLER=str(elsewhere)) == {}
    told = judged(here, tmp_path, 0, LEADFACTORY_SELLER="/nowhere/seller.yaml")
    assert told == {"LEADFACTORY_SELLER": "names /nowhere/seller.yaml, which is not on this machine"}


def test_an_unknown_name_is_named_with_the_nearest_that_is_known(here, tmp_path):
    file = tmp_path / "env"
    file.write_text("".join(f"{name}={value}\n" for name, value in (GOOD | {"YELP_APIKEY": "x"}).items()))
    (tmp_path / "seller.yaml").write_text(SELLER)
    (tmp_path / "contacts.yaml").write_text(CONTACTS)
    (found,) = here("doctor", f"--env-file={file}", "--json")
    assert (found["name"], found["state"]) == ("YELP_APIKEY", "warning")
    assert "did you mean YELP_API_KEY?" in found["remedy"]


def test_a_mounted_file_counts_as_given(here, tmp_path):
    secret = tmp_path / "stripe"
    secret.write_text("whsec_x")
    assert judged(here, tmp_path, 0, STRIPE_WEBHOOK_SECRET=None, STRIPE_WEBHOOK_SECRET_FILE=str(secret)) == {}


def test_no_value_of_a_secret_is_printed(here, tmp_path):
    file = tmp_path / "env"
    file.write_text("STRIPE_API_KEY=sk_test_verysecret\n")
    assert "verysecret" not in here("doctor", f"--env-file={file}", exit_code=1)


def test_system_check_looks_at_everything_and_tells_of_a_pause(here, database):
    with database.begin() as tx:
        pauses.pause(tx, "vendor", "yelp", reason="the bill", by="ana", now=NOW)
    found = {one["name"]: one for one in here("system-check", "--json")}
    assert set(found) == {
        "schema", "configuration", "schedules", "pools", "disk", "memory in use", "clocks", "backup", "pauses", "invariants",
    }  # fmt: skip
    assert found["pauses"]["state"] == "warning"
    assert "vendor yelp is paused by ana" in found["pauses"]["told"]


@pytest.mark.parametrize(("env", "state"), [("test", "ok"), ("production", "broken")])
def test_what_nobody_could_look_at_is_well_on_a_desk_and_broken_in_production(monkeypatch, env, state):
    monkeypatch.setattr(system_check, "settings", lambda: settings().model_copy(update={"env": env}))
    assert [check(None)[0] for check in system_check.DAGSTER.values()] == [state, state]


def test_a_wrong_file_changes_nothing_and_is_named(here, database, tmp_path, monkeypatch):
    for path in (ROOT / "config").glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text())
    (tmp_path / "extra.yaml").write_text("a: [")
    monkeypatch.setattr(reloading, "CONFIG", tmp_path)
    assert "nothing was changed: extra.yaml: no YAML" in here("reload-config", fails=True)
    with database.begin() as tx:
        assert reloading.newest(tx) == 0


def test_a_reload_is_numbered_audited_and_says_what_changed(here, database):
    first = here("reload-config", "--service=all", "--json")
    assert "vendors.yaml" in first["changed"]
    assert here("reload-config", "--json") | {"changed": []} == first | {"reload": first["reload"] + 1, "changed": []}
    with database.begin() as tx:
        assert tx.scalars(sa.select(audit_log.c.action)).all() == ["reload_config"] * 2


def test_a_dry_run_tells_nobody(here, database):
    here("reload-config", "--dry-run")
    with database.begin() as tx:
        assert reloading.newest(tx) == 0


def test_a_process_forgets_what_it_read_when_it_follows(monkeypatch):
    monkeypatch.setattr(reloading, "_known", 0)
    before = policies._loaded()
    assert reloading.follow(3) is True
    assert policies._loaded() is not before
    assert reloading.follow(3) is False


def test_the_performance_report_counts_calls_by_vendor_and_day_and_draws_them(here, database, tmp_path):
    with database.begin() as tx:
        rows = [
            {
                "call_id": uuid.uuid4(), "vendor": "yelp", "endpoint": "search", "attempt": 1, "units": 1, "status": status,
                "reserved_microusd": 0, "cost_microusd": 9_000, "latency_ms": latency, "request_hash": b"x",
                "started_at": NOW - dt.timedelta(days=ago), "occurred_on": (NOW - dt.timedelta(days=ago)).date(),
            }
            for ago, status, latency in ((0, "ok", 100), (0, "unavailable", 300), (6, "ok", 200), (7, "ok", 9_999))
        ]  # fmt: skip
        tx.execute(sa.insert(vendor_calls), rows)
    told = here("performance-report", "--days=7", f"--out={tmp_path / 'p.html'}", "--json")
    (yelp,) = told["vendors"]
    assert (yelp["calls"], yelp["faults"], yelp["p50_ms"], yelp["spend_microusd"]) == (3, 1, 200, 27_000)
    assert told["daily"]["vendor faults"] == [0, 0, 0, 0, 0, 0, 1]
    assert '<rect x="241.0" y="10.0"' in (tmp_path / "p.html").read_text()
    assert "yelp" in here("performance-report", "--days=7", f"--out={tmp_path / 'p.html'}")


def test_shares_and_sales_are_one_line_each(here):
    assert here("delivered-share") == "Delivered: 0/0\n"
    assert here("todays-purchases") == "Purchases on 2026-10-06: 0 ($0.00 paid, $0.00 of it refunded)\n"
