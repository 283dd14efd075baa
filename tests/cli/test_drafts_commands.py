"""`leadfactory drafts …` as an operator calls it."""

from __future__ import annotations

import asyncio
import json

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from cli.main import app
from cli.output import CommandError
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d08_personalization.reviews import ReviewRefused
from leadfactory.d08_personalization.tables import draft_reviews, email_drafts
from leadfactory.operator_links import OperatorLinks
from leadfactory.settings import settings
from tests.leads import TUESDAY, UNIT, Leads
from tests.postgres import settings_for_tests


@pytest.fixture
def leads(database, tmp_path) -> Leads:
    """Two letters, both of which wait for a person."""
    made = Leads(database, settings_for_tests(tmp_path))
    made.campaign(review_percent=100)
    made.business(1)
    made.business(2)
    asyncio.run(made.through("draft"))
    return made


@pytest.fixture
def run(monkeypatch, cli_env, cli_home, leads):
    """Calls a command in this process, with the settings of a process of its own."""
    given = {
        "LEADFACTORY_HOME": str(cli_home),
        "LEADFACTORY_ENV": "test",
        "LEADFACTORY_CLOCK": TUESDAY.isoformat(),
        **cli_env,
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()

    def call(*words: str):
        done = CliRunner().invoke(app, list(words))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout

    yield call
    settings.cache_clear()


def ids(leads: Leads) -> list[str]:
    return [str(row.draft_id) for row in leads.rows(sa.select(email_drafts).order_by(email_drafts.c.draft_id))]


def states(leads: Leads) -> list[str]:
    return [row.state for row in leads.rows(sa.select(draft_reviews).order_by(draft_reviews.c.review_id))]


def test_the_list_names_what_waits(run, leads):
    rows = json.loads(run("drafts", "list", "--state=waiting", "--json"))
    assert sorted(row["draft_id"] for row in rows) == ids(leads)
    assert {row["site_host"] for row in rows} == {"shop1.example", "shop2.example"}
    assert "waiting" in run("drafts", "list")


def test_a_letter_is_shown_with_the_source_of_each_number_and_the_guards_word(run, leads):
    first = ids(leads)[0]
    told = json.loads(run("drafts", "show", first[:8], "--json"))
    assert told["guard"] == []
    assert told["numbers"]["199"] == "price_book:full_report"
    assert any(number in source.split(": ", 1)[-1] for number, source in told["numbers"].items())
    assert told["reviews"][0]["state"] == "waiting"
    assert told["subject"] in run("drafts", "show", first)


def test_approve_edit_and_reject_are_kept_with_who_said_so(run, leads, tmp_path):
    first, second = ids(leads)
    assert run("drafts", "approve", first, "--as=ana") == "1 approved by ana\n"
    new = json.loads(run("drafts", "edit", second, "--subject=How your page comes up on a phone", "--as=ben", "--json"))
    run("drafts", "reject", new["draft_id"], "--reason=they closed", "--as=ben")
    assert states(leads) == ["waiting", "waiting", "approved", "edited", "rejected"]
    last = leads.rows(sa.select(draft_reviews).order_by(draft_reviews.c.review_id.desc()))[0]
    assert (last.reviewer, last.reason) == ("ben", "they closed")


def test_an_edit_from_a_file_that_the_guard_refuses_says_what_to_do(run, leads, tmp_path):
    file = tmp_path / "letter.txt"
    file.write_text("Hello,\n\nyou lose 73% of your guests.")
    with pytest.raises(ReviewRefused, match=r"unsupported_number: 73.*use a number that a finding of this lead has"):
        run("drafts", "edit", ids(leads)[0], f"--text-file={file}")
    assert states(leads) == ["waiting", "waiting"]


def test_the_policy_is_set_by_its_name(run, leads):
    for policy, percent in (("sample", 10), ("auto", 0), ("all", 100), ("25", 25)):
        run("configure-campaign", UNIT.campaign, f"--review={policy}")
        (row,) = leads.rows(sa.select(campaigns.c.review_percent))
        assert row.review_percent == percent
    with pytest.raises(ValueError, match="choose auto, sample, all"):
        run("configure-campaign", UNIT.campaign, "--review=sometimes")


def test_review_prints_a_link_that_opens_the_pages_in_that_name(run, leads):
    url = run("drafts", "review", "--as=Ana Ruiz").strip()
    token = url.removeprefix(f"{settings().public_url}/review/as/")
    links = OperatorLinks(settings().signing_keys.get_secret_value())
    assert links.read(token, settings().clock.now()).name == "Ana Ruiz"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "joe"), "is no id"),
        (("show", "00000000"), "names no draft"),
        (("review", "--as= "), "say who reviews"),
        (("edit", "00000000", "--text-file=/nowhere.txt"), "--text-file=/nowhere.txt cannot be read"),
    ],
)
def test_a_wrong_call_is_one_sentence(run, words, told):
    with pytest.raises(CommandError) as error:
        run("drafts", *words)
    assert told in str(error.value)


@pytest.mark.parametrize("command", ["list", "show", "approve", "edit", "reject", "review"])
def test_every_command_has_an_example(command):
    shown = CliRunner().invoke(app, ["drafts", command, "--help"])
    assert shown.exit_code == 0
    assert f"leadfactory drafts {command}" in " ".join(shown.stdout.split())
