"""Mail at own risk: what a campaign lacks before a named person has taken it, and that another mailer asks again."""

from __future__ import annotations

import pytest

from leadfactory.d01_targeting import campaigns
from tests.leads import UNIT, Leads
from tests.postgres import settings_for_tests


@pytest.fixture
def cold(database, tmp_path):
    leads = Leads(database, settings_for_tests(tmp_path))
    leads.campaign(state="draft_only", consent_basis="cold")
    return leads


def gaps(leads):
    with leads.db.begin() as tx:
        return [(gap.what, gap.command) for gap in campaigns.launch_gaps(campaigns.get(tx, UNIT.campaign))]


def configure(leads, **fields):
    with leads.db.begin() as tx:
        return campaigns.configure(tx, UNIT.campaign, **fields)


def test_a_cold_campaign_lacks_a_named_person_and_is_told_the_command(cold):
    ((what, command),) = gaps(cold)
    assert "takes the risk of cold mail through sendgrid" in what
    assert command == f"leadfactory configure-campaign {UNIT.campaign} --acknowledge-risk='First Last'"
    with pytest.raises(ValueError, match="acknowledge-risk"), cold.db.begin() as tx:
        campaigns.launch(tx, UNIT.campaign, campaigns.settings().clock.now())


def test_who_takes_the_risk_takes_it_for_the_mailer_of_that_moment(cold):
    row = configure(cold, risk_acknowledged_by="Ana Ruiz")
    assert (row["risk_acknowledged_by"], row["risk_acknowledged_for"]) == ("Ana Ruiz", "sendgrid")
    assert row["risk_acknowledged_at"] is not None
    assert gaps(cold) == []
    configure(cold, mailer="smtp")
    assert [what for what, _ in gaps(cold) if "smtp, whose terms" in what] != []


@pytest.mark.parametrize("name", ["", "Ana", " ", "x" * 121])
def test_a_name_that_names_nobody_is_refused(cold, name):
    with pytest.raises(ValueError, match="first and last name"):
        configure(cold, risk_acknowledged_by=name)


def test_the_mailer_smtp_needs_a_relay(cold):
    configure(cold, mailer="smtp", consent_basis="consented")
    assert [command for _, command in gaps(cold)] == ["set SMTP_URL=smtps://user:password@host:465"]
