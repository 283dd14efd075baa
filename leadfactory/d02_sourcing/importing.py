"""Imports the operator's own list of businesses: all of a file or nothing, every version with its file, row, author and time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaign_fields, campaigns
from leadfactory.d02_sourcing import import_checking, import_reading
from leadfactory.d02_sourcing.import_reading import FileRefused, Source
from leadfactory.d02_sourcing.sourcing_rules import rules
from leadfactory.d02_sourcing.tables import import_files, imported_businesses
from leadfactory.quality import rows as row_rules

ASSET = "imported_businesses"
IMPORT_LOCK = 0x1EADF17E  # one import at a time: two files with one record would both be its first version
BATCH = 1_000
MOST_KEEP_DAYS = 36_500  # a hundred years: whoever means longer means for ever
_NAMESPACE = uuid.UUID("0f9f3c0c-8b8e-4f0e-9a2d-5b0d4e6c7a21")


@dataclasses.dataclass
class Imported:
    """What became of a file: rows by outcome, the first errors as ``line: message``, and whether it had been imported before."""

    source: Source
    before: bool = False
    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)
    basis_set: bool = False

    def figures(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "file": self.source.path.name, "sha256": self.source.sha256, "columns": dict(self.source.columns), "imported_before": self.before,
            "rows": self.read, "new": self.new, "changed": self.changed, "unchanged": self.unchanged, "rejected": self.rejected, "errors": self.errors,
        }  # fmt: skip


def import_file(
    tx: sa.Connection, path: Path, *, campaign: str, consent_basis: str, mapping: Mapping[str, str], now: dt.datetime, by: str,
    encoding: str | None = None, keep_days: int | None = None, production: bool = False,
) -> Imported:  # fmt: skip
    """Reads, checks and stores a file; the caller's transaction makes it all or nothing, and a dry run rolls it back.

    Raises:
        FileRefused: the file cannot be imported. LookupError: unknown campaign. ValueError: a consent basis that is unknown, or
            another than the campaign's.
    """
    found = Imported(import_reading.open_source(path, mapping=mapping, encoding=encoding))
    found.basis_set = _agree_on_consent(tx, campaign, consent_basis, production=production)
    tx.execute(sa.select(sa.func.pg_advisory_xact_lock(IMPORT_LOCK)))
    known = sa.select(import_files.c.file_id).where(
        import_files.c.campaign == campaign, import_files.c.sha256 == found.source.sha256
    )
    found.before = tx.scalar(known) is not None
    file_id = uuid.uuid5(_NAMESPACE, f"{campaign}:{found.source.sha256}")
    if keep_days is not None and not 1 <= keep_days <= MOST_KEEP_DAYS:
        raise ValueError(f"--keep-days={keep_days} is out of range: choose 1 to {MOST_KEEP_DAYS}, or leave it out")
    keep_until = None if keep_days is None else now + dt.timedelta(days=keep_days)
    if not found.before:
        tx.execute(insert(import_files).values(
            file_id=file_id, campaign=campaign, file_name=path.name, sha256=found.source.sha256, consent_basis=consent_basis,
            columns=dict(found.source.columns), rows_read=0, rows_new=0, rows_changed=0, rows_unchanged=0, rows_rejected=0,
            imported_by=by, imported_at=now, keep_until=keep_until,
        ))  # fmt: skip
    _Writer(tx, campaign, file_id, found, now, keep_until).write()
    if found.read == 0:
        raise FileRefused(f"{path} has a heading and no rows: nothing to import")
    if not found.before:
        counted = {
            "rows_read": found.read, "rows_new": found.new, "rows_changed": found.changed,
            "rows_unchanged": found.unchanged, "rows_rejected": found.rejected,
        }  # fmt: skip
        tx.execute(sa.update(import_files).where(import_files.c.file_id == file_id).values(**counted))
    return found


def _agree_on_consent(tx: sa.Connection, campaign: str, basis: str, *, production: bool) -> bool:
    """Whether the campaign took the basis over; it may have no other, because the gate before a send asks the campaign."""
    row = campaigns.get(tx, campaign)
    refused = campaign_fields.problem("consent_basis", basis, production=production)
    if refused:
        raise ValueError(f"--consent-basis={basis} {refused}")
    if row["consent_basis"] is None:
        campaigns.configure(tx, campaign, consent_basis=basis)
        return True
    if row["consent_basis"] != basis:
        raise ValueError(
            f"--consent-basis={basis}: campaign {campaign!r} rests on {row['consent_basis']}; import into a campaign of that basis"
        )
    return False


class _Writer:
    """Stores one file's rows in batches: a record that is new, or says something else than its last version."""

    def __init__(
        self, tx: sa.Connection, campaign: str, file_id: uuid.UUID, found: Imported, now: dt.datetime, keep_until: dt.datetime | None
    ) -> None:  # fmt: skip
        self._tx, self._campaign, self._file_id, self._found = tx, campaign, file_id, found
        self._now, self._keep_until = now, keep_until
        self._unit = CampaignDay(campaign, now.date())
        self._seen: dict[bytes, tuple[int, bytes]] = {}  # record → its line and content in this very file
        self._batch: dict[bytes, tuple[int, bytes, import_checking.Fields]] = {}
        self._refused: list[row_rules.Refused] = []

    def write(self) -> None:
        """Every row of the file."""
        limits, found = rules().imports, self._found
        for line, row, wrong in import_reading.rows(found.source):
            found.read += 1
            if found.read > limits.most_rows:
                raise FileRefused(f"{found.source.path} has more than {limits.most_rows} rows: split it")
            if wrong is not None:
                self._refuse(line, "row_shape", f"the row {wrong}", None)
                continue
            try:
                self._take(line, import_checking.checked(row))
            except import_checking.RowRefused as error:
                self._refuse(line, error.rule, str(error), error.field)
            if len(self._batch) >= BATCH:
                self._store()
        self._store()

    def _take(self, line: int, fields: import_checking.Fields) -> None:
        key, content = import_checking.record_key(fields), import_checking.content_hash(fields)
        earlier = self._seen.get(key)
        if earlier is None:
            self._seen[key] = (line, content)
            self._batch[key] = (line, content, fields)
        elif earlier[1] == content:
            self._found.unchanged += 1
        else:
            raise import_checking.RowRefused(
                "record_once", "id" if fields["id"] else "name", str(fields["id"] or fields["name"]),
                f"line {earlier[0]} is the same record and says something else: keep one, or map an id column",
            )  # fmt: skip

    def _refuse(self, line: int, rule: str, message: str, field: str | None) -> None:
        self._found.rejected += 1
        if len(self._found.errors) < rules().imports.errors_shown:
            self._found.errors.append(f"line {line}: {message}")
        self._refused.append(row_rules.Refused(f"{self._found.source.sha256[:12]}:{line}", rule, field))

    def _store(self) -> None:
        row_rules.store_refused(self._tx, ASSET, self._unit, self._refused, self._now)
        self._refused = []
        if not self._batch:
            return
        i = imported_businesses.c
        newest = self._tx.execute(
            sa.select(i.record_key, i.version, i.content_hash)
            .distinct(i.record_key)
            .where(
                i.campaign == self._campaign,
                i.record_key == sa.any_(sa.cast(list(self._batch), sa.ARRAY(sa.LargeBinary))),
            )
            .order_by(i.record_key, i.version.desc())
        )
        known = {row.record_key: row for row in newest}
        rows = []
        for key, (line, content, fields) in self._batch.items():
            last = known.get(key)
            if last is not None and last.content_hash == content:
                self._found.unchanged += 1
                continue
            version = 1 if last is None else last.version + 1
            self._found.new += last is None
            self._found.changed += last is not None
            rows.append({
                "import_id": uuid.uuid5(_NAMESPACE, f"{self._campaign}:{key.hex()}:{version}"), "campaign": self._campaign, "record_key": key,
                "version": version, "file_id": self._file_id, "row_number": line, "content_hash": content, "fields": fields,
                "imported_at": self._now, "keep_until": self._keep_until,
            })  # fmt: skip
        if rows:
            self._tx.execute(insert(imported_businesses), rows)
        self._batch = {}
