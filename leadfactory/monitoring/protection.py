"""Figures of what protects the factory: backups, restore drills, pauses, wishes to be forgotten, credentials, the audit chain, refused sign-ins."""

from __future__ import annotations

import math
from collections.abc import Iterator

import sqlalchemy as sa

from leadfactory.monitoring.figures import WINDOWS, Figure, Scene, exists, one, rows, seconds_since, wall

# An emergency's backup has the damage in it: it is none to go back to.
BACKUPS = """
SELECT kind, max(finished_at) AS newest FROM backups WHERE ok AND removed_at IS NULL AND kind <> 'emergency' GROUP BY kind"""
DRILL = "SELECT ok, finished_at, rpo_s, rto_s FROM restore_drills ORDER BY started_at DESC LIMIT 1"
FAILED_SIGN_INS = """
SELECT coalesce(sum(attempts), 0) AS n FROM auth_failures WHERE minute > :since - interval '1 minute' AND minute <= :now"""
KEYS = (
    "SELECT name, min(created_at) AS oldest FROM api_keys WHERE revoked_at IS NULL AND expires_at > :now GROUP BY name"
)
# The newest links only: the nightly digest verifies the whole chain.
BROKEN = """
SELECT count(*) FROM (
  SELECT c.link, c.hash, a, lag(c.link) OVER (ORDER BY c.link) AS link_before, lag(c.hash) OVER (ORDER BY c.link) AS before
  FROM audit_chain c LEFT JOIN audit_log a USING (audit_id)
  WHERE c.link > (SELECT coalesce(max(link), 0) FROM audit_chain) - 1000) AS links
WHERE (a).audit_id IS NULL OR link_before IS NOT NULL AND (link <> link_before + 1 OR audit_hash(before, a) <> hash)"""
UNCHAINED = "SELECT (SELECT count(*) FROM audit_log) <> (SELECT count(*) FROM audit_chain)"
ERASURES = "SELECT min(requested_at) AS oldest FROM erasure_requests WHERE completed_at IS NULL"
LOOKS = "SELECT area, broken FROM file_looks"
PAUSES = "SELECT kind, count(*) AS n, min(paused_at) AS oldest FROM pauses WHERE resumed_at IS NULL GROUP BY kind"


def figures(tx: sa.Connection, scene: Scene) -> Iterator[Figure]:
    """The family. Backups and drills are dated by real time."""
    now = wall(tx)
    failed = one(tx, FAILED_SIGN_INS, since=scene.now - WINDOWS["5m"], now=scene.now)
    yield Figure.one("auth_failures", "Refused sign-ins and keys of 5 min.", float(failed.n))
    keys = rows(tx, KEYS, now=scene.now)
    yield Figure.of(
        "credential_age_seconds", "Age of the oldest live API key of a name.", "credential",
        {row.name: seconds_since(row.oldest, scene.now) for row in keys},
    )  # fmt: skip
    faults = one(tx, BROKEN)[0] + int(one(tx, UNCHAINED)[0])
    yield Figure.one("audit_chain_faults", "Of the newest 1000 rows of the audit log, those that were changed or removed.", faults)  # fmt: skip
    asked = one(tx, ERASURES)
    yield Figure.one(
        "erasure_waiting_oldest_seconds", "For how long the oldest wish to be forgotten has waited.",
        seconds_since(asked.oldest, scene.now),
    )  # fmt: skip
    if exists(tx, "leadfactory.backups"):
        ages = {row.kind: seconds_since(row.newest, now) for row in rows(tx, BACKUPS)}
        yield Figure.one(
            "backup_age_seconds", "Age of the newest good backup; infinite when there is none.",
            min(ages.values(), default=math.inf),
        )  # fmt: skip
    if exists(tx, "leadfactory.restore_drills"):
        drills = rows(tx, DRILL)
        passed = tuple(({}, float(bool(drill.ok))) for drill in drills)
        ages_of_it = tuple(({}, seconds_since(drill.finished_at, now)) for drill in drills)
        yield Figure("restore_drill_ok", "1 when the newest restore drill passed; absent before the first.", passed)
        yield Figure("restore_drill_age_seconds", "Age of the newest restore drill.", ages_of_it)
    if exists(tx, "leadfactory.file_looks"):
        broken = {row.area: row.broken for row in rows(tx, LOOKS)}
        yield Figure.of("damaged_files", "Files that the newest look found damaged or gone.", "area", broken)
    if exists(tx, "leadfactory.pauses"):
        kinds = dict.fromkeys(("all", "campaign", "sender", "vendor"), 0.0)
        held = rows(tx, PAUSES)
        since = {row.kind: seconds_since(row.oldest, scene.now) for row in held}
        yield Figure.of("pauses", "What an operator has paused.", "kind", kinds | {row.kind: row.n for row in held})
        yield Figure.of("pause_age_seconds", "For how long the oldest of a kind has held.", "kind", kinds | since)
