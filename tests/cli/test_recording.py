"""Every command that changes something leaves a row in the audit log: also one that nobody thought of."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from cli import recording
from leadfactory.audit_log import audit_log

COMMANDS = recording.commands()
CHANGING = sorted(set(COMMANDS) - recording.READS)


def rows(database):
    with database.begin() as tx:
        return tx.execute(sa.select(audit_log).order_by("audit_id")).all()


def test_every_changing_command_leaves_a_row_though_it_notes_nothing_itself(here, database):
    for path in CHANGING:
        with recording.recorded([*path.split(), "--json"]):
            pass  # the command's own work, which may note nothing
    found = rows(database)
    assert {row.subject for row in found if row.action == "command_begun"} == recording.LONG & set(CHANGING)
    assert {row.subject for row in found if row.action in ("command", "command_begun")} == set(CHANGING)


@pytest.mark.parametrize("path", sorted(set(COMMANDS) & recording.READS))
def test_a_command_that_is_told_to_read_offers_no_change(path):
    options = {option for each in COMMANDS[path].params for option in each.opts}
    assert path in recording.CHANGED_BY or options.isdisjoint({"--dry-run", "--yes", "--reason"})


def test_a_change_is_noted_with_who_what_and_how_it_ended(here, database):
    here("seed-campaigns", "--vertical=dental", "--zip=10001", "--quota=5", "--name=dental-x")
    found = {row.subject: row for row in rows(database)}
    row = found["seed-campaigns"]
    assert row.actor.startswith("operator ")
    assert row.action == "command"
    assert row.detail["arguments"] == "--vertical=dental --zip=10001 --quota=5 --name=dental-x"


def test_a_command_that_notes_its_own_change_is_not_noted_twice(here, database):
    here("api-key", "create", "ana", "--scope=review")
    assert [row.action for row in rows(database)] == ["api_key_create"]


def test_a_command_that_fails_is_noted_as_failed(here, database):
    here("launch-campaign", "no-such-campaign", "--yes", fails=True)
    assert [(row.action, row.subject) for row in rows(database)] == [
        ("command_begun", "launch-campaign"), ("command_failed", "launch-campaign"),
    ]  # fmt: skip


def test_a_command_that_was_mistyped_did_nothing_and_is_not_noted(here, database):
    here("seed-campaigns", "--nonsense", exit_code=2)
    assert rows(database) == []


def test_looking_and_dry_runs_are_not_noted(here, database):
    here("api-key", "list")
    here("audit-log")
    here("api-key", "create", "ana", "--scope=review", "--dry-run")
    assert rows(database) == []


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        ("jane.doe@shop.example", "…"), ("--sender-email=ana@mail.example", "--sender-email=…"), ("--sender-name=Ana Ruiz", "--sender-name=…"),
        ("+12125550100", "…"), ("2125550100", "…"), ("janedoe.com", "…"), ("lfk_abcdefghijklmnopqrstuvwxyzABCDEFG", "…"),
        ("restaurant-10001", "restaurant-10001"), ("--batch=100", "--batch=100"), ("--yes", "--yes"),
        ("1f0c9a52-7a0e-4b57-9c1f-2a1234567890", "1f0c9a52-7a0e-4b57-9c1f-2a1234567890"),
    ],
)  # fmt: skip
def test_the_log_keeps_ids_and_slugs_and_nothing_that_may_be_a_persons(argument, kept):
    assert recording.told([argument]) == kept


def test_a_command_whose_database_is_gone_says_that_it_is_not_noted(here, monkeypatch, capsys):
    from leadfactory.settings import settings

    monkeypatch.setenv("LEADFACTORY_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.cache_clear()
    with recording.recorded(["seed-campaigns"]):
        pass
    assert "seed-campaigns is not in the audit log" in capsys.readouterr().err
