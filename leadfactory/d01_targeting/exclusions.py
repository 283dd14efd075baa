"""Whom the operator keeps out: existing customers, competitors, chains, and lists of one's own, as keyed hashes with a label.

A business is excluded when its phone, domain, address or name is on a list that counts for the campaign. The lists act where
each of these is first known: phone and name when a business is told apart (D2), domain and address when its website was read
(D4), and all of them once more in the transaction that claims a send (D9).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.d01_targeting.tables import campaigns, exclusions
from leadfactory.keyed_hashes import KeyedHashes

if TYPE_CHECKING:  # the night, which only matches, need not read what values look like
    from leadfactory.d01_targeting.exclusion_values import Value

LISTS = ("customers", "competitors", "chains", "own")  # the first that holds a business gives the reason
EVERY_CAMPAIGN = ""
_AT_ONCE = 5_000
# For gates in SQL: whether one of the hashes ``{subjects}`` is on a list that counts for the campaign of alias ``c``.
HOLDS = """EXISTS (SELECT 1 FROM exclusions x WHERE x.subject_hmac IN ({subjects})
        AND x.campaign IN ('', c.campaign) AND (x.list <> 'chains' OR c.chain_policy = 'skip'))"""


@dataclasses.dataclass(frozen=True)
class Matcher:
    """The entries that count for one campaign: hash → list. Pure."""

    entries: Mapping[bytes, str]

    def reason(self, *hashes: bytes | None) -> str | None:
        """``excluded_customers`` and the like for the first list that holds any of ``hashes``; None when none does."""
        held = {self.entries[each] for each in hashes if each is not None and each in self.entries}
        return next((f"excluded_{name}" for name in LISTS if name in held), None)

    def reason_of(self, rows: Iterable[Mapping[str, Any]]) -> str | None:
        """The same for the listings of one business, by phone, name and domain."""
        return self.reason(*(row[column] for row in rows for column in ("phone_hmac", "name_hmac", "domain_hmac")))

    def withhold(self, row: dict[str, Any]) -> dict[str, Any]:
        """An enriched row, without website and contact when its domain or address is excluded: nobody audits it or writes to it."""
        reason = self.reason(row.get("site_domain_hmac"), row.get("contact_email_hmac"))
        if reason is None:
            return row
        content = ("site_", "own_", "contact_", "page_", "field_")
        return {name: None if name.startswith(content) else value for name, value in row.items()} | {
            "status": "no_website", "reason": reason, "retryable": False, "platform": None,
        }  # fmt: skip


def matcher(tx: sa.Connection, campaign: str, hashes: Iterable[bytes | None]) -> Matcher:
    """A matcher for ``campaign`` over those of ``hashes`` that are on a list; that of chains excludes under the policy skip only."""
    policy = tx.scalar(sa.select(campaigns.c.chain_policy).where(campaigns.c.campaign == campaign))
    return Matcher(_entries(tx, campaign, hashes, [name for name in LISTS if name != "chains" or policy == "skip"]))


def chains_among(tx: sa.Connection, campaign: str, hashes: Iterable[bytes | None]) -> frozenset[bytes]:
    """Those of ``hashes`` that are on a list of chains that counts for ``campaign``, whatever its policy on chains."""
    return frozenset(_entries(tx, campaign, hashes, ["chains"]))


def _entries(
    tx: sa.Connection, campaign: str, hashes: Iterable[bytes | None], counted: Sequence[str]
) -> dict[bytes, str]:
    wanted = sorted({each for each in hashes if each is not None})
    entries: dict[bytes, str] = {}
    e = exclusions.c
    for start in range(0, len(wanted), _AT_ONCE):
        some = sa.cast(wanted[start : start + _AT_ONCE], sa.ARRAY(sa.LargeBinary))
        query = sa.select(e.subject_hmac, e.list).where(
            e.subject_hmac == sa.any_(some), e.campaign.in_((EVERY_CAMPAIGN, campaign)), e.list.in_(counted)
        )
        for row in tx.execute(query):
            found, known = bytes(row.subject_hmac), entries.get(bytes(row.subject_hmac))
            entries[found] = row.list if known is None else min(known, row.list, key=LISTS.index)
    return entries


def of_rows(tx: sa.Connection, campaign: str, rows: Iterable[Mapping[str, Any]]) -> Matcher:
    """A matcher over every hash that ``rows`` hold."""
    hashes = [value for row in rows for name, value in row.items() if name.endswith("_hmac")]
    return matcher(tx, campaign, hashes)


def add(
    tx: sa.Connection, hashes: KeyedHashes, values: Sequence[Value], *, into: str, label: str, campaign: str | None, now: dt.datetime,
) -> int:  # fmt: skip
    """Adds values to a list, for one campaign or for every; how many entries are new. Adding again changes nothing.

    Raises:
        ValueError: names the list. LookupError: the campaign does not exist.
    """
    check_list(into)
    rows: dict[bytes, dict[str, Any]] = {}
    for value in values:
        for hmac in value.hashes(hashes):
            rows[hmac] = {
                "subject_hmac": hmac, "list": into, "campaign": campaign or EVERY_CAMPAIGN, "kind": value.kind, "label": label,
                "added_at": now,
            }  # fmt: skip
    added, ordered = 0, [rows[hmac] for hmac in sorted(rows)]
    for start in range(0, len(ordered), _AT_ONCE):
        statement = insert(exclusions).on_conflict_do_nothing().returning(exclusions.c.kind)
        added += len(tx.execute(statement, ordered[start : start + _AT_ONCE]).all())
    return added


def remove(
    tx: sa.Connection, hashes: KeyedHashes, values: Sequence[Value], *, out_of: str | None, campaign: str | None
) -> int:
    """Takes values out of one list or of all, for one campaign or for those of every campaign; how many entries went."""
    if out_of is not None:
        check_list(out_of)
    wanted = sorted({hmac for value in values for hmac in value.hashes(hashes)})
    gone = 0
    for start in range(0, len(wanted), _AT_ONCE):
        some = sa.cast(wanted[start : start + _AT_ONCE], sa.ARRAY(sa.LargeBinary))
        statement = sa.delete(exclusions).where(
            exclusions.c.subject_hmac == sa.any_(some), exclusions.c.campaign == (campaign or EVERY_CAMPAIGN)
        )
        if out_of is not None:
            statement = statement.where(exclusions.c.list == out_of)
        gone += tx.execute(statement).rowcount
    return gone


def remove_label(tx: sa.Connection, label: str, *, out_of: str | None = None, campaign: str | None = None) -> int:
    """Takes out all that was added under a label, of one campaign only when it is given; how many entries went."""
    statement = sa.delete(exclusions).where(exclusions.c.label == label)
    if campaign is not None:
        statement = statement.where(exclusions.c.campaign == campaign)
    if out_of is not None:
        check_list(out_of)
        statement = statement.where(exclusions.c.list == out_of)
    return tx.execute(statement).rowcount


def holding(tx: sa.Connection, hashes: KeyedHashes, value: Value) -> list[dict[str, Any]]:
    """The lists that hold a value, with campaign, label and time."""
    e = exclusions.c
    query = sa.select(e.list, e.campaign, e.kind, e.label, e.added_at).where(e.subject_hmac.in_(value.hashes(hashes)))
    return [dict(row) for row in tx.execute(query.distinct().order_by(e.list, e.campaign)).mappings()]


def summary(tx: sa.Connection) -> list[dict[str, Any]]:
    """What the lists hold: entries by list, campaign, label and kind."""
    e = exclusions.c
    keys = (e.list, e.campaign, e.label, e.kind)
    query = sa.select(*keys, sa.func.count().label("entries"), sa.func.max(e.added_at).label("newest"))
    return [dict(row) for row in tx.execute(query.group_by(*keys).order_by(*keys)).mappings()]


def check_list(name: str) -> None:
    """Raises ValueError, with the lists that there are, for a name of none."""
    if name not in LISTS:
        raise ValueError(f"list={name!r} is unknown: use one of {', '.join(LISTS)}")
