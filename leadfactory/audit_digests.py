"""The daily signed digest of the audit log: how far its chain went, signed with a key that the database does not hold.

Each digest is also a line in a file beside the send journal, outside Postgres: whoever rewrites the log, its chain and the digests in
the database leaves that file behind, and whoever rewrites the file lacks the key.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from leadfactory import audit_log
from leadfactory.database import Json, Moment, metadata

audit_digests = sa.Table(
    "audit_digests",
    metadata,
    sa.Column("digest_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("signed_at", Moment, nullable=False, index=True),
    sa.Column("link", sa.BigInteger, nullable=False, comment="of audit_chain, the last one then; 0 of an empty log"),
    sa.Column("hash", sa.LargeBinary, nullable=False),
    sa.Column("problems", Json, nullable=False, comment="what verifying found; an empty list while all is whole"),
    sa.Column(
        "signature", sa.LargeBinary, nullable=False, comment="HMAC-SHA256 under a key of LEADFACTORY_SIGNING_KEYS"
    ),
    comment="Append-only: one row per look at the whole audit log, daily; signed, and kept outside the database too.",
)


@dataclasses.dataclass(frozen=True)
class Digest:
    """How far the chain went at a moment, and what was found; signed over all of it."""

    signed_at: dt.datetime
    link: int
    hash: str
    problems: tuple[str, ...]
    signature: str

    def to_line(self) -> str:
        """As it stands in the file."""
        return json.dumps(dataclasses.asdict(self) | {"signed_at": self.signed_at.isoformat()}, ensure_ascii=False)


def path(home: Path) -> Path:
    """The file of a home."""
    return home / "journal" / "audit-digests.jsonl"


def sign(tx: sa.Connection, keys: str, file: Path, now: dt.datetime) -> Digest:
    """Looks at the whole log and at all digests before, signs what was found, keeps it in the table and in ``file``."""
    found = check(tx, keys, file)
    last, problems = found.rows, found.problems
    unsigned = Digest(now, last, found.head, problems, "")
    digest = dataclasses.replace(unsigned, signature=_signature(unsigned, _listed(keys)[0]))
    tx.execute(
        sa.insert(audit_digests).values(
            signed_at=now, link=last, hash=bytes.fromhex(found.head), problems=list(problems),
            signature=bytes.fromhex(digest.signature),
        )
    )  # fmt: skip
    _append(file, digest.to_line())
    return digest


def check(tx: sa.Connection, keys: str, file: Path) -> audit_log.Verdict:
    """The chain computed again, and every digest held against it and against ``file``."""
    found = audit_log.verify(tx)
    stored = _stored(tx)
    problems = [*found.problems]
    hashes = _hashes(tx, {digest.link for digest in stored})
    for digest in stored:
        problems += _faults(digest, hashes, keys, found.rows)
    kept, unreadable = _kept(file)
    problems += [f"{file.name} has {unreadable} lines that are no digest"] if unreadable else []
    signatures = {digest.signature for digest in stored}
    lost = [digest for digest in kept if digest.signature not in signatures]
    mine = [digest for digest in lost if _signed(digest, keys)]
    problems += [f"the digest of {each.signed_at:%Y-%m-%d %H:%M} UTC (link {each.link}) is in {file.name} but not in the database" for each in mine]  # fmt: skip
    forged = len(lost) - len(mine)
    problems += [f"{file.name} has {forged} digests that no key of ours signed"] if forged else []
    return dataclasses.replace(found, problems=tuple(problems[:40]))


def _faults(digest: Digest, hashes: dict[int, str], keys: str, last: int) -> list[str]:
    when = f"the digest of {digest.signed_at:%Y-%m-%d %H:%M} UTC"
    if not _signed(digest, keys):
        return [f"{when} is signed by no key that is listed"]
    if digest.link > last:
        return [f"{when} names link {digest.link}, the chain ends at {last}"]
    if digest.link and hashes.get(digest.link) != digest.hash:
        return [f"{when} names another hash for link {digest.link}: the log was rewritten before it"]
    return []


def _stored(tx: sa.Connection) -> list[Digest]:
    rows = tx.execute(sa.select(audit_digests).order_by(audit_digests.c.digest_id))
    return [
        Digest(
            row.signed_at.astimezone(dt.UTC), row.link, bytes(row.hash).hex(), tuple(row.problems), bytes(row.signature).hex()
        )
        for row in rows
    ]  # fmt: skip


def _hashes(tx: sa.Connection, links: set[int]) -> dict[int, str]:
    t = audit_log.audit_chain
    return {
        row.link: bytes(row.hash).hex() for row in tx.execute(sa.select(t.c.link, t.c.hash).where(t.c.link.in_(links)))
    }


def _kept(file: Path) -> tuple[list[Digest], int]:
    """The digests of the file, and how many lines are none."""
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return [], 0
    found, bad = [], 0
    for line in lines:
        try:
            found.append(_digest(json.loads(line)))
        except (ValueError, KeyError, TypeError):
            bad += 1
    return found, bad


def _digest(said: dict[str, Any]) -> Digest:
    signed_at = dt.datetime.fromisoformat(said["signed_at"])
    return Digest(signed_at, int(said["link"]), str(said["hash"]), tuple(said["problems"]), str(said["signature"]))


def _append(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(line + "\n")
        out.flush()
        os.fsync(out.fileno())


def _signed(digest: Digest, keys: str) -> bool:
    return any(hmac.compare_digest(_signature(digest, key), digest.signature) for key in _listed(keys))


def _signature(digest: Digest, key: bytes) -> str:
    said = json.dumps(
        [digest.signed_at.isoformat(), digest.link, digest.hash, list(digest.problems)], ensure_ascii=False
    )
    return hmac.new(key, b"audit:" + said.encode(), hashlib.sha256).hexdigest()


def _listed(keys: str) -> Sequence[bytes]:
    return [key.strip().encode() for key in keys.split(",") if key.strip()]
