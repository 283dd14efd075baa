"""What the previous version's code knows of the schema: its columns, and what could refuse its rows, read from a database of its revision.

`python -m tests.migrations.previous_version` writes it anew, from a database that is migrated to `code_from` of migrations/carries.yaml and
no further. A clone has no history to take the old code from, so what that code uses is kept here: every column that its tables declare.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import yaml
from alembic import command

from leadfactory import embedded, migrate
from leadfactory.settings import ROOT

FILE = Path(__file__).with_name("previous_version.json")
COLUMNS = """
SELECT table_name, column_name, udt_name, is_nullable = 'YES', column_default IS NOT NULL OR is_identity = 'YES'
FROM information_schema.columns WHERE table_schema = 'leadfactory' AND table_name <> 'alembic_version' ORDER BY 1, ordinal_position"""
RULES = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'leadfactory'::regnamespace AND contype IN ('c', 'u', 'p', 'f', 'x') ORDER BY 1, 2"""
INDEXES = """
SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'leadfactory'::regnamespace AND indisunique ORDER BY 1, 2"""


def carried() -> dict[str, Any]:
    """migrations/carries.yaml."""
    return dict(yaml.safe_load((ROOT / "migrations" / "carries.yaml").read_text()))


def read(url: str) -> dict[str, Any]:
    """The schema at ``url``: columns with type, whether they may be empty, whether they have a default; and what refuses rows."""
    with psycopg.connect(url) as tx:
        tables: dict[str, dict[str, list[Any]]] = {}
        for table, column, kind, nullable, has_default in tx.execute(COLUMNS).fetchall():
            tables.setdefault(table, {})[column] = [kind, nullable, has_default]
        rules = {f"{_bare(table)}.{_bare(name)}": text for table, name, text in tx.execute(RULES.encode()).fetchall()}
        rules |= {
            f"{_bare(table)}.{_bare(name)}": text for table, name, text in tx.execute(INDEXES.encode()).fetchall()
        }
    return {"tables": tables, "rules": rules}


def _bare(name: str) -> str:
    return name.removeprefix("leadfactory.")


def main() -> None:
    """Writes the file."""
    home, revision = Path(tempfile.mkdtemp(prefix="lf-home-")), carried()["code_from"]
    try:
        url = embedded.ensure_running(home, fast=True).url("owner")
        command.upgrade(migrate.configuration(url), revision)
        FILE.write_text(json.dumps({"revision": revision, **read(url)}, indent=1, sort_keys=True) + "\n")
    finally:
        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
