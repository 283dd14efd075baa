"""API keys and the audit log at the command line."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory import api_keys
from leadfactory.audit_log import audit_log


def actions(database):
    with database.begin() as tx:
        return [(row.action, row.subject) for row in tx.execute(sa.select(audit_log).order_by("audit_id"))]


def test_a_key_is_shown_once_listed_without_it_and_its_making_is_noted(here, database):
    made = here("api-key", "create", "ana", "--scope=review", "--scope=dashboards", "--json")
    assert made["key"].startswith("lfk_")
    assert made["scopes"] == ["dashboards", "review"]
    listed = here("api-key", "list", "--json")
    assert [(row["name"], row["state"]) for row in listed] == [("ana", "live")]
    assert made["key"] not in str(listed)
    with database.begin() as tx:
        assert made["key"] not in str(tx.execute(sa.select(audit_log)).all())
    assert actions(database) == [("api_key_create", "ana")]


def test_a_rotated_key_has_two_values_until_the_overlap_ends(here, database):
    old = here("api-key", "create", "ana", "--scope=review", "--json")["key"]
    new = here("api-key", "rotate", "ana", "--overlap=2d", "--json")
    assert (new["key"] != old, new["old_value_until"]) == (True, "2026-10-08 15:00:00+00:00")
    assert len(here("api-key", "list", "--json")) == 2
    assert "being rotated" in here("api-key", "rotate", "ana", fails=True)


def test_a_revoked_key_is_listed_on_request_only(here, database):
    here("api-key", "create", "ana", "--scope=review")
    assert here("api-key", "revoke", "ana", "--json") == {"name": "ana", "values_ended": 1}
    assert here("api-key", "list", "--json") == []
    assert [row["state"] for row in here("api-key", "list", "--all", "--json")] == ["revoked"]
    assert "has no live key" in here("api-key", "revoke", "ana", fails=True)


def test_a_dry_run_makes_no_key_and_notes_nothing(here, database):
    told = here("api-key", "create", "ana", "--scope=review", "--dry-run", "--json")
    assert (told["key"], told["dry_run"]) == (None, True)
    with database.begin() as tx:
        assert tx.execute(sa.select(api_keys.api_keys)).all() == []
    assert actions(database) == []


def test_bad_input_is_told_with_its_remedy(here, database):
    assert "12h or 90d" in here("api-key", "create", "ana", "--scope=review", "--expires-in=soon", fails=True)
    assert "dashboards, metrics" in here("api-key", "create", "ana", "--scope=root", fails=True)
    assert "no moment" in here("audit-log", "--since=yesterday", fails=True)


def test_the_log_is_read_by_time_and_actor(here, database):
    here("api-key", "create", "ana", "--scope=review")
    (row,) = here("audit-log", "--since=1h", "--actor=operator", "--json")
    assert (row["action"], row["subject"]) == ("api_key_create", "ana")
    assert here("audit-log", "--since=2026-10-07", "--json") == []
    assert here("audit-log", "--actor=recipient", "--json") == []
    assert "api_key_create" in here("audit-log")


def test_a_broken_chain_ends_with_exit_code_1_and_names_the_row(here, database, owner_database):
    here("api-key", "create", "ana", "--scope=review")
    assert here("audit-log", "--verify", "--json")["whole"] is True
    with owner_database.begin() as tx:
        tx.execute(sa.text("UPDATE audit_log SET subject = 'bob'"))
    told = here("audit-log", "--verify", "--json", exit_code=1)
    assert told["problems"] == ["row 1 (link 1) is not what was written"]
