"""Every place where the factory keeps something, written out as files, and a search for strings in them.

What a store compresses is written out in plain form (Parquet, DuckDB, tables); what a thief would get is searched as it is
(the files of a physical backup with its write-ahead log, logs, everything else under LEADFACTORY_HOME).
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow.parquet as pq
import pypdf
import sqlalchemy as sa
from psycopg import sql

from leadfactory import embedded, embedded_cluster, embedded_process
from leadfactory.settings import Settings

DATABASES = ("leadfactory", "dagster")
PARTS = (  # of what is searched; home is everything under LEADFACTORY_HOME as it is
    "tables of leadfactory", "tables of dagster", "lake", "blobs", "warehouse", "home", "server log", "backup", "dump",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Stores:
    """The stores of one factory."""

    server: embedded.EmbeddedServer
    settings: Settings

    def admin_url(self, database: str, user: str = embedded_cluster.SUPERUSER) -> str:
        """``database`` for the superuser."""
        password = embedded_cluster.superuser_password(embedded.folder(self.server.home))
        url = sa.engine.URL.create("postgresql", user, password, self.server.host, self.server.port, database)
        return url.render_as_string(hide_password=False)

    def written_out(self, folder: Path) -> Path:
        """Every store as files, one folder each, under ``folder``, which is made anew."""
        shutil.rmtree(folder, ignore_errors=True)
        for part in PARTS:
            (folder / part).mkdir(parents=True)
        for name in DATABASES:
            self._tables(name, folder / f"tables of {name}")
        for file in Path(self.settings.lake).rglob("*.parquet"):
            name = str(file.relative_to(self.settings.lake)).replace("/", ":")
            (folder / "lake" / name).write_text("\n".join(_told(pq.read_table(file).to_pylist())))
        if self.settings.warehouse.is_file():
            self._warehouse(folder / "warehouse")
        for part, source in {"home": self.settings.home, "server log": self.server.home / "postgres" / "log"}.items():
            shutil.copytree(
                source, folder / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.sock", "postgres")
            )
        blobs = self.settings.home / "blobs"
        if blobs.is_dir():
            shutil.copytree(blobs, folder / "blobs", dirs_exist_ok=True)
            for blob in [path for path in blobs.rglob("*") if path.is_file()]:
                (folder / "blobs" / f"{blob.name}.txt").write_text(printed(blob))
        self._backup(folder)
        return folder

    def _tables(self, name: str, target: Path) -> None:
        """Every table of a database, the catalogues and their statistics among them."""
        with psycopg.connect(self.admin_url(name), autocommit=True) as admin:
            listed = admin.execute(
                "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm')"
            ).fetchall()
            for schema, table in listed:
                copy = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(schema, table))
                with (target / f"{schema}.{table}").open("wb") as sink, admin.cursor().copy(copy) as rows:
                    for block in rows:
                        sink.write(block)

    def _warehouse(self, target: Path) -> None:
        with duckdb.connect(str(self.settings.warehouse), read_only=True) as warehouse:
            names = warehouse.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall()
            for schema, table in names:
                rows = warehouse.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall()
                (target / f"{schema}.{table}").write_text("\n".join(map(repr, rows)))

    def _backup(self, folder: Path) -> None:
        """A physical backup with the log that completes it, and a dump, as the role that makes them takes them."""
        programs, environment = (
            embedded_process.binaries(),
            {**os.environ, "PGPASSWORD": self.server.passwords["lf_backup"]},
        )
        to = ["-h", self.server.host, "-p", str(self.server.port), "-U", "lf_backup"]
        target = folder / "backup"
        target.rmdir()
        taken = [[str(programs / "pg_basebackup"), *to, "-D", str(target), "-X", "fetch", "-c", "fast", "--no-sync"]]
        taken += [
            [str(programs / "pg_dump"), *to, "--no-unlogged-table-data", "-f", str(folder / "dump" / name), name]
            for name in DATABASES
        ]
        for command in taken:
            subprocess.run(command, env=environment, check=True, capture_output=True, text=True)


def found(strings: Iterable[str], folder: Path) -> dict[str, set[str]]:
    """Part → ``file: string`` for each of ``strings`` that is in a file under ``folder``, letters in any case."""
    patterns = folder.parent / f"patterns-{uuid.uuid4().hex}"
    patterns.write_text("\n".join(sorted(strings)) + "\n")
    search = subprocess.run(
        ["grep", "-r", "-a", "-o", "-i", "-F", "-Z", "-f", str(patterns), "."],
        cwd=folder, env={**os.environ, "LC_ALL": "C"}, capture_output=True, check=False,
    )  # fmt: skip
    patterns.unlink()
    assert search.returncode in {0, 1}, search.stderr.decode()
    hits = defaultdict(set)
    for line in search.stdout.splitlines():
        path, _, string = line.partition(b"\0")
        _, part, *inside = path.decode().split("/")
        hits[part].add(f"{'/'.join(inside)}: {string.decode(errors='replace')}")
    return dict(hits)


def printed(blob: Path) -> str:
    """The text of a PDF, whose letters are not in its bytes; empty for everything else."""
    with blob.open("rb") as opened:
        if opened.read(5) != b"%PDF-":
            return ""
        pages: list[Any] = list(pypdf.PdfReader(opened).pages)
        return "\n".join(page.extract_text() for page in pages)


def _told(rows: list[dict[str, object]]) -> Iterator[str]:
    for row in rows:
        yield "\t".join(str(value) for value in row.values())
