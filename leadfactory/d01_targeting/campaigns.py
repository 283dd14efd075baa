"""The registry of campaigns: seeding, configuring, launching, and who is active. What is refused is refused by name."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import check_campaign_slug
from leadfactory.campaign_days import campaign_days
from leadfactory.d01_targeting import aims, overlaps, verticals
from leadfactory.d01_targeting import places as geography
from leadfactory.d01_targeting.campaign_fields import SIMULATED, problem
from leadfactory.d01_targeting.places import PlaceSpec
from leadfactory.d01_targeting.tables import campaigns, targets
from leadfactory.d09_delivery.policy import policy as delivery_policy
from leadfactory.settings import settings

__all__ = [
    "Gap",
    "PlaceSpec",
    "Seeded",
    "active",
    "close",
    "configure",
    "get",
    "launch",
    "launch_gaps",
    "living",
    "pause",
    "resting",
    "seed",
    "silent_since",
]


@dataclasses.dataclass(frozen=True)
class Gap:
    """Something that a campaign lacks before launch, and the command that mends it."""

    what: str
    command: str


@dataclasses.dataclass(frozen=True)
class Seeded:
    """A campaign's row, and whether this call made it."""

    row: Mapping[Any, Any]
    created: bool


def seed(
    tx: sa.Connection,
    *,
    vertical: str,
    places: Sequence[PlaceSpec],
    quota: int,
    name: str | None = None,
    now: dt.datetime,
) -> Seeded:
    """Creates a draft-only campaign with its targets; the same call again changes nothing.

    Raises:
        ValueError: for an unknown vertical or place, a quota out of range, a slug that cannot be a partition key, a campaign
            of that name that aims elsewhere, or a target that overlaps an existing one (both are named).
    """
    slug_of_vertical = verticals.find(vertical)
    refused = problem("daily_quota", quota, production=_production())
    if refused:
        raise ValueError(f"quota={quota} {refused}")
    if not places:
        raise ValueError("no place to target: give at least one --zip, --city, --metro or --state")
    found = [geography.find(spec) for spec in places]
    overlaps.refuse_within(found)
    slug = check_campaign_slug(name or f"{slug_of_vertical.replace('_', '-')}-{_short(found[0].name)}")
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(aims.REGISTRY_LOCK)))
    known = tx.execute(sa.select(campaigns).where(campaigns.c.campaign == slug)).mappings().first()
    if known is not None:
        _refuse_another_aim(tx, slug, dict(known), slug_of_vertical, found, quota)
        return Seeded(known, created=False)
    overlaps.refuse_with_others(tx, slug_of_vertical, found)
    tx.execute(
        insert(campaigns).values(
            campaign=slug, vertical=slug_of_vertical, daily_quota=quota, starts_on=now.date(), created_at=now
        )
    )
    share, left = divmod(quota, len(found))
    quotas = [max(1, share + (position < left)) for position in range(len(found))]
    aims.insert(tx, slug, slug_of_vertical, found, quotas, now)
    return Seeded(get(tx, slug), created=True)


def get(tx: sa.Connection, campaign: str) -> Mapping[Any, Any]:
    """A campaign's row.

    Raises:
        LookupError: names the campaign and those that exist.
    """
    row = tx.execute(sa.select(campaigns).where(campaigns.c.campaign == campaign)).mappings().first()
    if row is None:
        known = list(tx.scalars(sa.select(campaigns.c.campaign).order_by(campaigns.c.campaign).limit(5)))
        raise LookupError(
            f"campaign {campaign!r} does not exist: "
            + (f"there are {', '.join(known)}" if known else "create one with seed-campaigns")
        )
    return row


def configure(tx: sa.Connection, campaign: str, **fields: Any) -> Mapping[str, Any]:
    """Sets fields of a campaign, all or none: those of ``campaign_fields.problem``.

    Raises:
        LookupError: unknown campaign. ValueError: names field, value and remedy.
    """
    known = get(tx, campaign)
    for field, value in fields.items():
        refused = problem(field, value, production=_production())
        if refused:
            raise ValueError(f"{field}={value!r} {refused}")
    changed = dict(known) | fields
    if changed["ends_on"] is not None and changed["ends_on"] < changed["starts_on"]:
        raise ValueError(
            f"ends_on={changed['ends_on']} is before starts_on={changed['starts_on']}: a campaign runs forwards"
        )
    if "risk_acknowledged_by" in fields:  # for the mailer that the campaign has now; another one asks again
        fields |= {"risk_acknowledged_for": changed["mailer"], "risk_acknowledged_at": settings().clock.now()}
    if fields:
        tx.execute(sa.update(campaigns).where(campaigns.c.campaign == campaign).values(**fields))
    return get(tx, campaign)


def launch_gaps(row: Mapping[Any, Any]) -> list[Gap]:
    """What the campaign lacks before it may send, each with the command that sets it."""
    command = f"leadfactory configure-campaign {row['campaign']}"
    wanted = {
        "consent_basis": ("a consent basis", "--consent-basis=consented"),
        "sender_email": ("a sender address", "--sender-email=you@your-domain"),
        "sender_name": ("a sender name", "--sender-name='Your Name'"),
        "postal_address": ("a postal address", "--postal-address='Street, City, ST ZIP'"),
        "budget_cents": ("a budget", "--budget=100"),
    }
    gaps = [Gap(what, f"{command} {option}") for field, (what, option) in wanted.items() if row[field] is None]
    basis, mailer = row["consent_basis"], row["mailer"]
    if basis in delivery_policy().risky_bases(mailer) and not (
        row["risk_acknowledged_by"] and row["risk_acknowledged_for"] == mailer
    ):
        gaps.append(
            Gap(
                f"a named person who takes the risk of {basis} mail through {mailer}, whose terms do not accept it",
                f"{command} --acknowledge-risk='First Last'",
            )
        )
    if mailer == "smtp" and not settings().smtp_url.get_secret_value():
        gaps.append(Gap("a relay for the mailer smtp", "set SMTP_URL=smtps://user:password@host:465"))
    if row["consent_basis"] == SIMULATED and _production():
        gaps.insert(0, Gap("a consent basis that production accepts", f"{command} --consent-basis=consented"))
    return gaps


def launch(tx: sa.Connection, campaign: str, now: dt.datetime) -> None:
    """Moves a draft-only or paused campaign to launched; launching it again changes nothing.

    Raises:
        ValueError: names everything that is missing, with commands; or the state that cannot be launched.
    """
    row = get(tx, campaign)
    gaps = launch_gaps(row)
    if gaps:
        raise ValueError(f"campaign {campaign!r} lacks " + "; ".join(f"{gap.what} ({gap.command})" for gap in gaps))
    if row["state"] == "closed":
        raise ValueError(f"campaign {campaign!r} is closed: seed a new one")
    if row["state"] != "launched":
        tx.execute(
            sa.update(campaigns).where(campaigns.c.campaign == campaign).values(state="launched", launched_at=now)
        )


def pause(tx: sa.Connection, campaign: str) -> None:
    """Stops sourcing and sending until the campaign is launched again; pausing a draft-only or closed one is refused.

    Raises:
        ValueError: names the state that cannot be paused.
    """
    _move(tx, campaign, "paused", from_states=("launched", "paused"))


def close(tx: sa.Connection, campaign: str) -> None:
    """Ends a campaign for good and gives its places free; late events still fold in."""
    _move(tx, campaign, "closed", from_states=("draft_only", "launched", "paused", "closed"))


def active(tx: sa.Connection, day: dt.date) -> list[str]:
    """Campaigns that source on ``day``: started, not ended, neither paused nor closed."""
    query = sa.select(campaigns.c.campaign).where(
        campaigns.c.state.in_(("draft_only", "launched")),
        campaigns.c.starts_on <= day,
        sa.or_(campaigns.c.ends_on.is_(None), campaigns.c.ends_on >= day),
    )
    return list(tx.scalars(query.order_by(campaigns.c.campaign)))


def resting(tx: sa.Connection, day: dt.date) -> dict[str, str]:
    """Campaigns that do not source on ``day``, each with the reason: all that ``active`` leaves out."""
    rows = tx.execute(sa.select(campaigns).order_by(campaigns.c.campaign)).mappings()
    reasons = {row["campaign"]: closed_reason(dict(row), day) for row in rows}
    return {slug: reason for slug, reason in reasons.items() if reason is not None}


def living(tx: sa.Connection) -> list[str]:
    """Campaigns that are not closed: those that Dagster must know."""
    return list(
        tx.scalars(sa.select(campaigns.c.campaign).where(campaigns.c.state != "closed").order_by(campaigns.c.campaign))
    )


def silent_since(tx: sa.Connection, moment: dt.datetime) -> list[str]:
    """Closed campaigns without an event since ``moment``: their partition keys may go, their rows stay."""
    last = sa.func.max(sa.func.coalesce(campaign_days.c.last_event_at, campaign_days.c.opened_at))
    query = (
        sa.select(campaigns.c.campaign)
        .outerjoin(campaign_days, campaign_days.c.campaign == campaigns.c.campaign)
        .where(campaigns.c.state == "closed")
        .group_by(campaigns.c.campaign, campaigns.c.created_at)
        .having(sa.func.coalesce(last, campaigns.c.created_at) < moment)
    )
    return list(tx.scalars(query))


def closed_reason(row: Mapping[str, Any], day: dt.date) -> str | None:
    """Why a campaign does not source on ``day``; None when it does (the same rule as ``active``)."""
    if row["state"] in {"paused", "closed"}:
        return f"the campaign is {row['state']}"
    if day < row["starts_on"]:
        return f"the campaign starts on {row['starts_on']}"
    if row["ends_on"] is not None and day > row["ends_on"]:
        return f"the campaign ended on {row['ends_on']}"
    return None


def _move(tx: sa.Connection, campaign: str, state: str, *, from_states: tuple[str, ...]) -> None:
    row = get(tx, campaign)
    if row["state"] not in from_states:
        raise ValueError(
            f"campaign {campaign!r} is {row['state']}: only one that is {' or '.join(from_states)} can be {state}"
        )
    tx.execute(sa.update(campaigns).where(campaigns.c.campaign == campaign).values(state=state))


def _production() -> bool:
    return settings().env == "production"


def _refuse_another_aim(
    tx: sa.Connection, slug: str, known: Mapping[str, Any], vertical: str, found: Sequence[geography.Place], quota: int
) -> None:
    aimed = set(tx.execute(sa.select(targets.c.kind, targets.c.place).where(targets.c.campaign == slug)).tuples())
    if known["vertical"] != vertical or aimed != {(place.kind, place.name) for place in found}:
        raise ValueError(
            f"campaign {slug!r} exists and aims at {known['vertical']} in {', '.join(sorted(p for _, p in aimed))}: "
            "choose another --name"
        )
    if known["daily_quota"] != quota:
        raise ValueError(
            f"campaign {slug!r} exists with quota={known['daily_quota']}, not {quota}: seeding changes nothing"
        )


def _short(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
