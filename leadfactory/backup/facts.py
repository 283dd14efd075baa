"""What a database held at one moment, so that a restored one can be held against it: rows by table, ledgers, sums, invariants.

Whatever was written between that moment and the one that is restored may only add: so what only grows may not have shrunk, and the
rows of a ledger up to the last one then must be the same rows with the same sum now.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory.d09_delivery.policy import policy
from leadfactory.database import SCHEMA
from leadfactory.quality import invariants
from leadfactory.roles import WITHHELD
from leadfactory.tables import metadata

UNKEPT = {"vendor_content"}  # UNLOGGED: no backup has it
GROWING = sorted({name for name, rights in WITHHELD.items() if "DELETE" in rights} - {"alembic_version"})
# Ledger → its serial key and what is summed.
SUMS = {
    "money_entries": ("entry_id", "amount_cents", "account"),
    "send_transitions": ("transition_id", "1", "to_state"),
}


@dataclasses.dataclass(frozen=True)
class Check:
    """One comparison of a restored database with what is known of the saved one."""

    name: str
    expected: str
    found: str
    ok: bool


def collect(tx: sa.Connection, now: dt.datetime) -> dict[str, Any]:
    """What the database holds, as the transaction sees it; JSON."""
    rows = {
        table.name: tx.scalar(sa.select(sa.func.count()).select_from(table))
        for table in metadata.sorted_tables
        if table.name not in UNKEPT
    }
    sums = {}
    for name, (key, amount, by) in SUMS.items():
        last = tx.scalar(sa.text(f"SELECT coalesce(max({key}), 0) FROM {SCHEMA}.{name}")) or 0  # noqa: S608 - constants
        sums[name] = {"last": last, "sums": _sums(tx, name, key, amount, by, last)}
    broken = {each.name: each.broken for each in _verified(tx, now)}
    return {"at": now.isoformat(), "revision": _revision(tx), "rows": rows, "ledgers": sums, "broken": broken}


def compare(tx: sa.Connection, facts: dict[str, Any]) -> list[Check]:
    """Holds the database of ``tx`` against ``facts`` of the saved one."""
    checks = [_equal("schema revision", facts["revision"], _revision(tx))]
    for name, before in facts["rows"].items():
        now = tx.scalar(sa.select(sa.func.count()).select_from(metadata.tables[f"{SCHEMA}.{name}"])) or 0
        fine = now >= before if name in GROWING else (now > 0) == (before > 0) or now > 0
        if before or now or not fine:
            least = f"at least {before:,}" if name in GROWING else f"about {before:,}"
            checks.append(Check(f"rows of {name}", least, f"{now:,}", fine))
    for name, told in facts["ledgers"].items():
        key, amount, by = SUMS[name]
        checks.append(
            _equal(f"sums of {name} up to {told['last']}", told["sums"], _sums(tx, name, key, amount, by, told["last"]))
        )
    for each in _verified(tx, dt.datetime.fromisoformat(facts["at"])):
        before = facts["broken"].get(each.name, 0)
        expected = "holds" if not before else f"{before:,} offenders, as when it was saved"
        checks.append(
            Check(f"invariant {each.name}", expected, "holds" if not each.broken else f"{each.broken:,} offenders", each.broken <= before)
        )  # fmt: skip
    return checks


def _equal(name: str, expected: Any, found: Any) -> Check:
    return Check(name, str(expected), str(found), expected == found)


def _revision(tx: sa.Connection) -> str | None:
    return tx.scalar(sa.text(f"SELECT version_num FROM {SCHEMA}.alembic_version"))  # noqa: S608 - a constant


def _sums(tx: sa.Connection, name: str, key: str, amount: str, by: str, last: int) -> dict[str, int]:
    query = f"SELECT {by}, sum({amount})::bigint FROM {SCHEMA}.{name} WHERE {key} <= :last GROUP BY 1 ORDER BY 1"  # noqa: S608 - constants
    return {str(what): int(total) for what, total in tx.execute(sa.text(query), {"last": last}).tuples()}


def _verified(tx: sa.Connection, now: dt.datetime) -> list[invariants.Verified]:
    found = invariants.verify(tx, now=now, cooldown_days=policy().recontact_cooldown_days)
    return [each for each in found if each.name != "calls_are_settled"]  # by the database's own clock, which went on
