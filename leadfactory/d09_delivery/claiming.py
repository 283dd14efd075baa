"""The claim: in one transaction the gates, the recipient's slots, the state, the exposure. Only then may a mail leave."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d09_delivery import caps, gates, journal, mailing, slots, states, suppression
from leadfactory.d09_delivery.caps import Caps
from leadfactory.d09_delivery.mailing import Letter
from leadfactory.d09_delivery.policy import policy
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens

READ_AHEAD = 5_000
_LOCK = sa.text("SELECT pg_advisory_xact_lock(:lock)")
# Claims are one statement many times over: planned once, for its plan takes as long as the claim of a hundred.
_PLAN_ONCE = sa.text("SET LOCAL plan_cache_mode = force_generic_plan")
_EXPOSE = sa.text(
    """UPDATE experiment_assignments a SET exposed_at = :now
       FROM unnest(CAST(:campaigns AS text[]), CAST(:days AS date[]), CAST(:businesses AS uuid[]))
         AS x (campaign, cohort_on, business_id)
       WHERE (a.campaign, a.cohort_on, a.business_id) = (x.campaign, x.cohort_on, x.business_id) AND a.exposed_at IS NULL"""
)
CLAIM_LOCK = 0x1EADC1A1  # claims are short and one at a time, which makes the caps per sender and day exact


@dataclasses.dataclass(frozen=True)
class Desk:
    """What every claim of one process needs: whose keys, which environment, where our links lead, what a mail may cost."""

    hashes: KeyedHashes
    tokens: Tokens
    env: str
    public_url: str
    policies: Policies
    journal: Path
    inbound_domain: str = ""
    days_known: dict[tuple[dt.datetime, str], int] = dataclasses.field(default_factory=dict)  # of days that are over

    @classmethod
    def of(cls, settings: Settings) -> Desk:
        """The desk of this installation."""
        return cls(
            KeyedHashes(settings.suppression_key.get_secret_value()),
            Tokens(settings.signing_keys.get_secret_value()),
            settings.env,
            settings.public_url,
            Policies.for_settings(settings),
            settings.journal,
            settings.inbound_domain,
        )


@dataclasses.dataclass(frozen=True)
class Claimed:
    """What one claim took, and the sends it looked at in vain by the gate that stopped them."""

    letters: list[Letter]
    stopped: dict[uuid.UUID, str]


def ready(
    tx: sa.Connection, desk: Desk, unit: CampaignDay | None, now: dt.datetime, *, leave: Collection[uuid.UUID] = ()
) -> list[uuid.UUID]:
    """Up to some thousand planned sends that pass every gate now, in the order in which they are to leave. Takes none of them."""
    if not gates.any_planned(tx, unit):
        return []
    where, given = gates.scope(unit)
    return list(
        tx.scalars(
            sa.text(
                f"""SELECT s.send_id FROM {gates.FROM}
                    WHERE s.state = 'planned' AND s.send_id <> ALL(:leave) AND {where} AND {gates.ALL_PASS}
                    ORDER BY s.due_at, s.campaign, s.cohort_on, s.send_id LIMIT :most"""  # noqa: S608 - constants of gates.py only
            ),
            parameters(tx, desk, now, caps.of_today(tx, now, desk.days_known)) | given | {"leave": list(leave), "most": READ_AHEAD},
        )
    )  # fmt: skip


def claim(
    tx: sa.Connection,
    desk: Desk,
    unit: CampaignDay | None,
    now: dt.datetime,
    *,
    most: int,
    leave: Collection[uuid.UUID] = (),
    among: Sequence[uuid.UUID] | None = None,
    dry_run: bool = False,
) -> Claimed:
    """Claims up to ``most`` sends that pass every gate now; those in ``leave`` were looked at in vain and are passed over.

    With ``among`` no others are looked at: those that ``ready`` named a moment ago, so that a claim costs what it takes and not what
    waits. The journal has the claim before it commits, unless with ``dry_run``, whose claim never does.

    Raises:
        KeyMismatch: with another suppression key nothing can be claimed. OSError: the journal cannot be written.
    """
    tx.execute(_LOCK, {"lock": CLAIM_LOCK})
    suppression.check_key(tx, desk.hashes)
    # of the candidates' domains and, with ``among``, of no other sender: a claim costs what it takes and not what left today
    day = caps.of_today(tx, now, desk.days_known, among=among)
    tx.execute(_PLAN_ONCE)
    candidates = _candidates(tx, desk, unit, now, most, leave, among, day)
    providers = (letter.recipient_domain for letter in candidates if letter.domain_hmac is None)
    own = (letter.domain_hmac for letter in candidates if letter.domain_hmac is not None)
    caps.count_domains(tx, day, now, providers, own)
    stopped: dict[uuid.UUID, str] = {}
    refused: dict[uuid.UUID, str | None] = {}
    fit: list[Letter] = []
    simulated = policy().simulated_bases(desk.env)
    for letter in candidates:
        sender, domain = letter.sender_email, letter.recipient_domain
        cap = day.stops(sender, domain, own_domain=letter.domain_hmac is not None, simulated=letter.consent_basis in simulated)  # fmt: skip
        problem = mailing.fault(letter, desk.public_url, desk.tokens)
        if problem is not None:
            refused[letter.send_id] = stopped[letter.send_id] = problem
        elif cap is not None:
            stopped[letter.send_id] = cap
        else:
            day.take(sender, domain)
            fit.append(letter)
    states.move(tx, refused, "planned", "refused", now, settled_at=now)
    until = now + dt.timedelta(days=policy().recontact_cooldown_days)
    won = slots.take(tx, [letter.conversation for letter in fit], until=until, now=now)
    stopped |= {letter.send_id: "contact_slot" for letter in fit if letter.send_id not in won}
    letters = [letter for letter in fit if letter.send_id in won]
    _take(tx, letters, now)
    if not dry_run:
        journal.claimed(desk.journal, [letter.entry for letter in letters])
    return Claimed(letters, stopped)


def _candidates(
    tx: sa.Connection,
    desk: Desk,
    unit: CampaignDay | None,
    now: dt.datetime,
    most: int,
    leave: Collection[uuid.UUID],
    among: Sequence[uuid.UUID] | None,
    day: Caps,
) -> list[Letter]:
    where, given = gates.scope(unit)
    if among is not None:
        where, given = f"({where}) AND s.send_id = ANY(:among)", given | {"among": list(among)}
    claim_id = uuid.uuid4()
    rows = tx.execute(
        sa.text(
            f"""SELECT s.send_id, s.campaign, s.cohort_on, s.business_id, s.step, s.address_hmac, s.domain_hmac, s.sender_email,
                       {caps.RECIPIENT_DOMAIN} AS recipient_domain,
                       e.contact_email, c.mailer, c.consent_basis, c.sender_name, c.postal_address, d.subject, d.preview, d.body_html, d.body_text,
                       d.content_hash
                FROM {gates.FROM}
                WHERE s.state = 'planned' AND s.send_id <> ALL(:leave) AND {where} AND {gates.ALL_PASS}
                ORDER BY s.due_at, s.campaign, s.cohort_on, s.send_id LIMIT :most FOR UPDATE OF s SKIP LOCKED"""  # noqa: S608 - constants of gates.py only
        ),
        parameters(tx, desk, now, day, among) | given | {"leave": list(leave), "most": most},
    ).all()
    return [
        Letter(
            send_id=row.send_id,
            unit=CampaignDay(row.campaign, row.cohort_on),
            business_id=row.business_id,
            step=row.step,
            address_hmac=bytes(row.address_hmac),
            domain_hmac=None if row.domain_hmac is None else bytes(row.domain_hmac),
            recipient_domain=row.recipient_domain,
            mailer=row.mailer,
            consent_basis=row.consent_basis,
            to_email=row.contact_email,
            sender_email=row.sender_email,
            sender_name=row.sender_name,
            postal_address=row.postal_address,
            subject=row.subject,
            preview=row.preview,
            body_html=row.body_html,
            body_text=row.body_text,
            content_hash=bytes(row.content_hash),
            claimed_at=now,
            claim_id=claim_id,
        )
        for row in rows
    ]


def _take(tx: sa.Connection, letters: list[Letter], now: dt.datetime) -> None:
    """The claim itself: state, lease, exposure, lifecycle of the campaign-days."""
    lease = dt.timedelta(minutes=policy().claim_lease_minutes)
    if not letters:
        return
    reasons: states.Reasons = {letter.send_id: None for letter in letters}
    claim: dict[str, Any] = {
        "claimed_at": now,
        "claim_id": letters[0].claim_id,
        "claim_expires_at": sa.func.now() + lease,
    }
    states.move(tx, reasons, "planned", "claimed", now, **claim)
    campaigns, days, businesses = zip(
        *((each.unit.campaign, each.unit.day, each.business_id) for each in letters), strict=True
    )
    mine = {"campaigns": list(campaigns), "days": list(days), "businesses": list(businesses)}
    tx.execute(_EXPOSE, mine | {"now": now})
    for unit in sorted({letter.unit for letter in letters}):
        campaign_days.begin_mailing(tx, unit)
        campaign_days.mark_dirty(tx, unit, "email_sends", "experiment_assignments")


def parameters(
    tx: sa.Connection, desk: Desk, now: dt.datetime, day: Caps, among: Sequence[uuid.UUID] | None = None
) -> dict[str, Any]:
    return gates.parameters(tx, env=desk.env, now=now, policies=desk.policies, day=day, among=among)


def waiting(
    tx: sa.Connection, desk: Desk, unit: CampaignDay | None, now: dt.datetime, *, business_id: uuid.UUID | None = None
) -> dict[uuid.UUID, tuple[CampaignDay, str]]:
    """Each planned send with its campaign-day and the gate that stops it now; ``ready`` when none of the gates does."""
    if not gates.any_planned(tx, unit):
        return {}
    where, given = gates.scope(unit)
    if business_id is not None:
        where, given = f"({where}) AND s.business_id = :business_id", given | {"business_id": business_id}
    rows = tx.execute(
        sa.text(
            f"""SELECT s.send_id, s.campaign, s.cohort_on, coalesce({gates.FIRST_STOP}, 'ready') AS gate FROM {gates.FROM}
                WHERE s.state = 'planned' AND {where}"""  # noqa: S608 - constants of gates.py only
        ),
        parameters(tx, desk, now, caps.of_today(tx, now, desk.days_known)) | given,
    )
    return {row.send_id: (CampaignDay(row.campaign, row.cohort_on), row.gate) for row in rows}
