"""Each invariant holds over a mailed campaign-day and names what breaks it: the breaking is done by hand and taken back."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from leadfactory.d09_delivery.policy import policy
from leadfactory.quality import invariants
from leadfactory.quality.invariants import Verified
from tests.leads import TUESDAY

NEWER = "(SELECT send_id FROM email_sends WHERE state = 'accepted' ORDER BY send_id LIMIT 1)"
COPY_OF_A_SEND = f"""CREATE TEMP TABLE copied ON COMMIT DROP AS SELECT * FROM email_sends WHERE send_id = {NEWER};
UPDATE copied SET send_id = gen_random_uuid(), draft_id = draft_id"""
AN_EVENT = f"""INSERT INTO email_events (campaign, cohort_on, event_id, send_id, business_id, kind, occurred_at, machine, received_at)
SELECT campaign, cohort_on, 'made-up', send_id, business_id, 'spamreport', :now, false, :now FROM email_sends WHERE send_id = {NEWER}"""
BREAKS = {
    "one_send_per_step": "ALTER TABLE email_sends DROP CONSTRAINT uq_email_sends_business_id_campaign_step;"
    f"{COPY_OF_A_SEND}; INSERT INTO email_sends SELECT * FROM copied",
    "one_conversation_per_recipient": f"{COPY_OF_A_SEND}; UPDATE copied SET campaign = 'another', claimed_at = claimed_at + "
    "interval '89 days'; INSERT INTO email_sends SELECT * FROM copied",
    "nothing_to_the_suppressed": f"""INSERT INTO suppressions (kind, subject_hmac, reason, source, suppressed_at)
        SELECT 'address', address_hmac, 'complaint', 'test', claimed_at - interval '1 second' FROM email_sends WHERE send_id = {NEWER}""",
    "stops_are_suppressed": AN_EVENT,
    "drafts_of_mails_passed": "UPDATE quality_verdicts SET passed = false WHERE asset = 'email_drafts'",
    "states_follow_transitions": f"UPDATE email_sends SET state = 'rejected' WHERE send_id = {NEWER}",
    "cohorts_stay": "DELETE FROM unique_businesses",
    "businesses_are_registered": "DELETE FROM businesses",
    "findings_have_audits": "ALTER TABLE audit_findings DROP CONSTRAINT fk_audit_findings_audit_id; DELETE FROM site_audits",
    "letters_cite_findings": "DELETE FROM audit_findings",
    "budgets_hold": """INSERT INTO budgets (scope, key, cap_microusd, spent_microusd) VALUES ('campaign', 'nobody', 10, 5)""",
    "calls_are_settled": """INSERT INTO vendor_calls (call_id, vendor, endpoint, attempt, units, status, reserved_microusd,
        request_hash, started_at, occurred_on)
        VALUES (gen_random_uuid(), 'yelp', 'search', 1, 1, 'started', 0, 'x', clock_timestamp() - interval '61 minutes', now())""",
    "vendor_terms_are_kept": """INSERT INTO vendor_content (vendor, content_key, content, fetched_at, expires_at)
        VALUES ('yelp', 'k', '{}', :now, cast(:now AS timestamptz) - interval '121 minutes')""",
    "webhooks_are_processed": """INSERT INTO webhook_inbox (source, event_id, kind, received_at, stale, payload)
        VALUES ('sendgrid', 'e', 'open', cast(:now AS timestamptz) - interval '25 hours', false, '{}')""",
    "events_have_sends": f"{AN_EVENT}; UPDATE email_events SET cohort_on = cohort_on - 1",
}


@pytest.fixture
def mailed(room, once):
    """A campaign-day some of whose leads were mailed."""

    def mail():
        room.drafted(4)
        room.change(
            """INSERT INTO businesses (business_id, first_campaign, first_cohort_on, registered_at)
               SELECT business_id, campaign, cohort_on, decided_at FROM unique_businesses"""
        )
        room.send()

    once("invariants_mailed", mail)
    assert room.states["accepted"] > 0
    return room


def verified(tx: sa.Connection) -> dict[str, Verified]:
    cooldown = policy().recontact_cooldown_days
    return {one.name: one for one in invariants.verify(tx, now=TUESDAY, cooldown_days=cooldown)}


def test_all_hold_over_a_mailed_campaign_day_and_looked_at_its_rows(mailed, database):
    with database.begin() as tx:
        found = verified(tx)
    assert {name: one.samples for name, one in found.items() if one.broken} == {}
    looked_at = {name for name, one in found.items() if one.looked_at}
    assert {"one_send_per_step", "states_follow_transitions", "letters_cite_findings", "cohorts_stay"} <= looked_at


@pytest.mark.parametrize("name", sorted(BREAKS))
def test_what_breaks_an_invariant_is_counted_and_named(name, mailed, owner_database):
    with owner_database.engine.connect() as tx:
        for statement in BREAKS[name].split(";\n" if ";\n" in BREAKS[name] else ";"):
            tx.execute(sa.text(statement), {"now": TUESDAY} if ":now" in statement else {})
        found = verified(tx)[name]
        assert found.broken >= 1
        assert len(found.samples) == min(found.broken, invariants.SAMPLES)
        assert found.remedy
        tx.rollback()


def test_every_invariant_that_rows_can_break_is_broken_by_a_test():
    assert {one.name for one in invariants.INVARIANTS} - set(BREAKS) == {"no_failed_checksums"}
