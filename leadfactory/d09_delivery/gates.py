"""Every gate in front of a send, each named once: the same expressions decide the claim, refuse, expire and explain.

A gate is SQL over the aliases of FROM and the parameters of ``parameters``; NULL is a no. ``outcome`` says what a send that it
stops becomes: ``refused`` and ``expired`` for good, ``waits`` until something changes or it expires.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from leadfactory import fence
from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.mail import MAILERS
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d01_targeting import exclusions
from leadfactory.d08_personalization import reviews
from leadfactory.d09_delivery import sequences, spending
from leadfactory.d09_delivery.caps import RECIPIENT_DOMAIN, Caps
from leadfactory.d09_delivery.policy import policy
from leadfactory.d11_experiments import kinds

FROM = """email_sends s
  JOIN campaigns c ON c.campaign = s.campaign
  LEFT JOIN email_drafts d ON d.draft_id = s.draft_id
  LEFT JOIN enriched_businesses e ON (e.campaign, e.cohort_on, e.business_id) = (s.campaign, s.cohort_on, s.business_id)
  LEFT JOIN businesses b ON b.business_id = s.business_id
  LEFT JOIN site_audits a ON (a.campaign, a.cohort_on, a.business_id) = (s.campaign, s.cohort_on, s.business_id)"""


PRICE = "CASE c.mailer " + " ".join(f"WHEN '{mailer}' THEN :price_{mailer}" for mailer in MAILERS) + " END"
# The arm of the send time that a letter was written for, of those that config/delivery.yaml knows.
SEND_TIME = """coalesce((SELECT d.arms ->> t.name FROM unnest(CAST(:time_tests AS text[])) AS t (name)
    WHERE d.arms ->> t.name = ANY(:send_times) ORDER BY t.name LIMIT 1), '')"""
EXCLUDABLE = "s.address_hmac, s.address_plus_hmac, s.domain_hmac, e.site_domain_hmac, b.phone_hmac, b.name_hmac"


@dataclasses.dataclass(frozen=True)
class Gate:
    """``passes`` is SQL that must be true; ``outcome`` is refused, expired or waits."""

    name: str
    outcome: str
    passes: str


GATES: tuple[Gate, ...] = (
    Gate("expired", "expired", ":now < s.expires_at"),
    Gate("suppressed_address", "refused", """NOT EXISTS (SELECT 1 FROM suppressions x
        WHERE x.kind IN ('address', 'address_plus_stripped') AND x.subject_hmac IN (s.address_hmac, s.address_plus_hmac))"""),
    Gate("suppressed_domain", "refused", """NOT EXISTS (SELECT 1 FROM suppressions x
        WHERE x.kind = 'domain' AND x.subject_hmac IN (s.domain_hmac, e.site_domain_hmac))"""),
    Gate("suppressed_business", "refused", """NOT EXISTS (SELECT 1 FROM suppressions x
        WHERE x.kind = 'business' AND x.subject_hmac = uuid_send(s.business_id))"""),
    Gate("sequence_stopped", "refused", """s.step = 1 OR NOT EXISTS (SELECT 1 FROM sequence_stops x
        WHERE (x.campaign, x.business_id) = (s.campaign, s.business_id))"""),
    Gate("excluded", "refused", "NOT " + exclusions.HOLDS.format(subjects=EXCLUDABLE)),
    Gate("merged_away", "refused", """NOT EXISTS (SELECT 1 FROM business_merges m WHERE m.merged_id = s.business_id AND m.kind = 'merge'
        AND NOT EXISTS (SELECT 1 FROM business_merges n WHERE n.merge_id > m.merge_id AND n.kind = 'unmerge'
            AND (n.survivor_id, n.merged_id) = (m.survivor_id, m.merged_id)))"""),
    Gate("jurisdiction", "refused", "e.country = ANY(:countries)"),
    Gate("timezone_unknown", "refused", "s.timezone IS NOT NULL"),
    Gate("address_changed", "refused", "e.contact_email_hmac = s.address_hmac"),
    Gate("audit_too_old", "refused", "a.status = 'ok' AND :now < a.expires_at"),
    Gate("draft_missing", "refused", "d.status = 'drafted'"),
    Gate("paused", "waits", """NOT EXISTS (SELECT 1 FROM pauses x WHERE x.resumed_at IS NULL AND (x.kind, x.key) IN
        (('all', ''), ('campaign', s.campaign), ('sender', s.sender_email), ('vendor', c.mailer)))"""),
    Gate("fenced", "waits", "NOT " + fence.STANDS),
    Gate("campaign_not_launched", "waits", "c.state = 'launched'"),
    Gate("halted", "waits", """NOT EXISTS (SELECT 1 FROM halts x WHERE x.resumed_at IS NULL
        AND (x.scope, x.subject) IN (('sender', s.sender_email), ('campaign', s.campaign), ('mailer', c.mailer)))"""),
    # Stopping the experiment lets nothing go, for it is the letter that did harm; a newer version that has the arm again does.
    Gate("arm_paused", "waits", """NOT EXISTS (SELECT 1 FROM experiments x WHERE d.arms ->> x.experiment = ANY(x.paused_arms)
        AND NOT EXISTS (SELECT 1 FROM experiments n WHERE n.experiment = x.experiment AND n.version > x.version
            AND n.state <> 'draft' AND jsonb_exists(n.arms, d.arms ->> x.experiment)))"""),
    Gate("address_refused", "refused", "e.contact_email_check IS DISTINCT FROM 'refused'"),
    Gate("address_unverified", "waits", "e.contact_email_check IN ('accepted', 'weak')"),
    Gate("consent_basis", "waits", "c.mailer || ':' || c.consent_basis = ANY(:known_bases)"),
    Gate("risk_not_acknowledged", "waits", """c.mailer || ':' || c.consent_basis = ANY(:accepted_bases)
        OR (c.risk_acknowledged_for = c.mailer AND length(c.risk_acknowledged_by) > 0)"""),
    Gate("draft_verdict", "waits", """(SELECT v.passed FROM quality_verdicts v WHERE v.subject_id = d.draft_id
        AND v.asset = 'email_drafts' AND v.input_hash = d.content_hash
        ORDER BY v.judged_at DESC, v.verdict_id DESC LIMIT 1)"""),
    Gate("draft_review", "waits", reviews.CLEARED),
    Gate("postal_address", "waits", "strpos(d.body_text, c.postal_address) > 0 AND length(c.postal_address) > 0"),
    Gate("true_sender", "waits", "c.sender_email = s.sender_email AND strpos(d.body_text, c.sender_name) > 0"),
    Gate("not_due", "waits", "s.due_at <= :now"),
    Gate("undelivered_before", "waits", "s.step = 1 OR NOT " + sequences.UNDELIVERED_BEFORE),
    Gate("window", "waits", f"{SEND_TIME} || '|' || s.timezone = ANY(:open_zones)"),
    Gate("contact_slot", "waits", """NOT EXISTS (SELECT 1 FROM contact_slots x
        WHERE x.slot_hmac IN (s.address_hmac, s.domain_hmac) AND x.held_until >= :now
        AND x.send_id <> coalesce((SELECT f.send_id FROM email_sends f
            WHERE (f.business_id, f.campaign, f.step) = (s.business_id, s.campaign, 1)), s.send_id))"""),
    Gate("budget", "waits", "c.mailer <> ALL(:broke_mailers) AND s.campaign <> ALL(:broke_campaigns)"),
    Gate("budget_of_the_lead", "waits", f"""NOT EXISTS (SELECT 1 FROM budgets x WHERE x.scope = 'lead' AND x.key = s.business_id::text
        AND {PRICE} > 0 AND x.reserved_microusd + x.spent_microusd + {PRICE} > x.cap_microusd)"""),  # noqa: S608 - constants only
    Gate("sender_cap", "waits", "s.sender_email <> ALL(:capped)"),
    Gate("warm_up", "waits", "c.consent_basis = ANY(:simulated_bases) OR s.sender_email <> ALL(:warming)"),
    Gate("recipient_domain_cap", "waits", f"""CASE WHEN s.mail_provider IS NULL
        THEN {RECIPIENT_DOMAIN} <> ALL(:full_own_domains) ELSE s.mail_provider <> ALL(:full_providers) END"""),
)  # fmt: skip
# One expression and not thirty: the planner takes each for a coin toss, so that of thousands it would expect one row and then not
# care how it joins them. Asked after the joins, the gates cannot mislead it.
ALL_PASS = (
    "CASE " + " ".join(f"WHEN NOT coalesce(({gate.passes}), FALSE) THEN FALSE" for gate in GATES) + " ELSE TRUE END"
)
FIRST_STOP = (
    "CASE " + " ".join(f"WHEN NOT coalesce(({gate.passes}), FALSE) THEN '{gate.name}'" for gate in GATES) + " END"
)
_LAST_FOR_GOOD = max(at for at, gate in enumerate(GATES) if gate.outcome != "waits")
# The same, told up to the last gate that ends a send: NULL is one that waits, or may leave.
FIRST_STOP_FOR_GOOD = (
    "CASE "
    + " ".join(f"WHEN NOT coalesce(({gate.passes}), FALSE) THEN '{gate.name}'" for gate in GATES[: _LAST_FOR_GOOD + 1])
    + " END"
)
OUTCOMES = {gate.name: gate.outcome for gate in GATES}
_ZONES = sa.text("SELECT DISTINCT timezone FROM email_sends WHERE state = 'planned'")
_ZONES_AMONG = sa.text("SELECT DISTINCT timezone FROM email_sends WHERE send_id = ANY(:among)")
_ANY = "SELECT EXISTS (SELECT FROM email_sends s WHERE s.state = 'planned' AND {where})"


def scope(unit: CampaignDay | None) -> tuple[str, dict[str, Any]]:
    """The SQL and parameters that limit a statement over ``s`` to a campaign-day, or to nothing."""
    if unit is None:
        return "TRUE", {}
    return "s.campaign = :campaign AND s.cohort_on = :cohort_on", {"campaign": unit.campaign, "cohort_on": unit.day}


def any_planned(tx: sa.Connection, unit: CampaignDay | None) -> bool:
    """Whether any send waits for the gates: mostly none does, and to plan their statement takes longer than this look."""
    where, given = scope(unit)
    return bool(tx.scalar(sa.text(_ANY.format(where=where)), given))


def parameters(
    tx: sa.Connection,
    *,
    env: str,
    now: dt.datetime,
    policies: Policies,
    day: Caps,
    among: Sequence[uuid.UUID] | None = None,
) -> dict[str, Any]:
    """What the gates' SQL asks for: time, policy, open time zones, what budgets and caps have no room for.

    ``among``: the sends that are asked about, where it is some few.
    """
    rules = policy()
    accepted = [f"{name}:{basis}" for name in rules.adapters for basis in rules.accepted_bases(name, env)]
    zones = list(tx.scalars(_ZONES, {}) if among is None else tx.scalars(_ZONES_AMONG, {"among": list(among)}))
    broke = spending.broke(tx, policies, now)
    full_providers, full_own_domains = day.full_domains
    return {
        "now": now,
        "countries": list(rules.countries),
        "accepted_bases": accepted,
        "known_bases": [
            *accepted,
            *(f"{name}:{basis}" for name in rules.adapters for basis in rules.risky_bases(name)),
        ],
        "simulated_bases": list(rules.simulated_bases(env)),
        "time_tests": kinds.named(kinds.of_all(tx), kinds.SEND_TIME),
        "send_times": sorted(rules.send_times),
        "open_zones": [
            f"{arm or ''}|{zone}"
            for arm in (None, *sorted(rules.send_times))
            for zone in rules.window_of(arm).open_among(zones, now)
        ],
        "broke_mailers": broke.mailers,
        "broke_campaigns": broke.campaigns,
        **{f"price_{mailer}": price for mailer, price in broke.prices.items()},
        "capped": day.capped,
        "warming": day.warming,
        "full_providers": full_providers,
        "full_own_domains": full_own_domains,
    }
