"""The SQL of D4's own table: rows stored together, checks of mail domains made up for, and what the day holds."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import exclusions
from leadfactory.d04_enrichment.records import ENRICHED_RULES
from leadfactory.d04_enrichment.subjects import ASSET, RETRIED
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.quality import rows as row_rules

WORTH = dt.timedelta(days=30)  # after which a row is worth refreshing (domain facts: re-enrichment 7 to 30 days)
BINS = 10  # of the histogram of confidences
_COLUMNS = [column.name for column in enriched_businesses.columns]


def row(unit: CampaignDay, found: dict[str, Any], now: dt.datetime) -> dict[str, Any]:
    """A whole row from what was found."""
    filled: dict[str, Any] = dict.fromkeys(_COLUMNS) | {"retryable": False, "fetched_at": now} | found
    return filled | {"campaign": unit.campaign, "cohort_on": unit.day, "expires_at": filled["fetched_at"] + WORTH}


def keep(db: Database, unit: CampaignDay, rows: list[dict[str, Any]], now: dt.datetime) -> None:
    """Stores rows in one transaction; a row that was stored is replaced only where it waited to be tried again."""
    good, refused = row_rules.split(rows, ENRICHED_RULES, key="business_id")
    with db.begin() as tx:
        row_rules.store_refused(tx, ASSET, unit, refused, now)
        good = [*map(exclusions.of_rows(tx, unit.campaign, good).withhold, good)]
        if good:
            statement = insert(enriched_businesses)
            keys = {"campaign", "cohort_on", "business_id"}
            changed = {name: statement.excluded[name] for name in _COLUMNS if name not in keys}
            tx.execute(
                statement.on_conflict_do_update(
                    index_elements=sorted(keys), set_=changed, where=enriched_businesses.c.status == "unavailable"
                ),
                good,
            )
        campaign_days.mark_dirty(tx, unit, ASSET)


def unchecked(tx: sa.Connection, unit: CampaignDay) -> list[tuple[Any, str]]:
    """Business and address of those whose mail domain nobody could ask about."""
    e = enriched_businesses.c
    rows = tx.execute(
        sa.select(e.business_id, e.contact_email)
        .where(of(unit), e.contact_email_check == "unknown", e.contact_email.is_not(None))
        .order_by(e.business_id)
    )
    return [(each.business_id, each.contact_email) for each in rows]


def checked(tx: sa.Connection, unit: CampaignDay, business_id: Any, state: str, reason: str) -> None:
    """Notes what a mail domain turned out to be. An address that takes no mail is given up, unless a send already refers to it."""
    e, s = enriched_businesses.c, email_sends.c
    values: dict[str, Any] = {"contact_email_check": state, "contact_email_check_reason": reason}
    mine = sa.and_(of(unit), e.business_id == business_id)
    tx.execute(sa.update(enriched_businesses).where(mine, e.contact_email_check == "unknown").values(**values))
    if state == "refused":
        claimed = sa.exists().where(
            s.campaign == unit.campaign,
            s.cohort_on == unit.day,
            s.business_id == business_id,
            s.claimed_at.is_not(None),
        )
        gone = dict.fromkeys(
            ("contact_email", "contact_email_url", "contact_email_how", "contact_email_kind", "contact_email_hmac")
        )
        tx.execute(sa.update(enriched_businesses).where(mine, ~claimed).values(**gone))
    campaign_days.mark_dirty(tx, unit, ASSET)


def counts(tx: sa.Connection, unit: CampaignDay) -> Counter[str]:
    """Rows by status."""
    e = enriched_businesses.c
    rows = tx.execute(sa.select(e.status, sa.func.count().label("n")).where(of(unit)).group_by(e.status))
    return Counter({each.status: each.n for each in rows})


def tallies(tx: sa.Connection, unit: CampaignDay) -> dict[str, int]:
    """Named tallies for the report: matches, addresses by kind and check, languages other than English."""
    e = enriched_businesses.c
    found: dict[str, int] = {}
    columns: dict[str, sa.ColumnElement[str | None]] = {
        "place": e.place_match, "address": e.contact_email_kind, "mail domain": e.contact_email_check, "language": e.site_language,
    }  # fmt: skip
    for name, column in columns.items():
        rows = tx.execute(
            sa.select(column, sa.func.count()).where(of(unit), column.is_not(None)).group_by(column).order_by(column)
        )
        found |= {f"{name}: {value}": int(count) for value, count in rows}
    return found


def open_rows(tx: sa.Connection, unit: CampaignDay) -> int:
    """Rows that will be tried again."""
    return tx.scalar(sa.select(sa.func.count()).where(of(unit), RETRIED).select_from(enriched_businesses)) or 0


def with_address(tx: sa.Connection, unit: CampaignDay) -> int:
    """Rows with an address to write to."""
    return tx.scalar(sa.select(sa.func.count(enriched_businesses.c.contact_email)).where(of(unit))) or 0


def confidences(tx: sa.Connection, unit: CampaignDay) -> dict[str, float]:
    """Histogram of the confidence of matches and of the likeliest rejected candidates, in tenths."""
    e = enriched_businesses.c
    sure = sa.func.coalesce(e.match_score, sa.cast(e.rejected_candidate["confidence"].astext, sa.Numeric))
    tenth = sa.func.least(sa.func.floor(sure * BINS), BINS - 1)
    rows = dict(
        tx.execute(sa.select(tenth, sa.func.count()).where(of(unit), sure.is_not(None)).group_by(tenth)).tuples().all()
    )
    return {f"{n / BINS:.1f}–{(n + 1) / BINS:.1f}": float(rows.get(n, 0)) for n in range(BINS)}


def of(unit: CampaignDay) -> sa.ColumnElement[bool]:
    """The rows of a campaign-day."""
    return sa.and_(enriched_businesses.c.campaign == unit.campaign, enriched_businesses.c.cohort_on == unit.day)
