"""Changed configuration files, taken over by running processes without a restart.

`leadfactory reload-config` reads and checks every file first; only when all are right it adds a row to ``config_reloads``. Each
process sees the new row (the gateway with its breakers, the edge and the code servers' sensors on their own beat) and forgets
what it had read, so that the next look reads the file. A wrong file adds no row and changes nothing in what runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import functools
import hashlib
import importlib
import logging
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from leadfactory import yaml_config
from leadfactory.database import Database, DatabaseUnavailable, Json, Moment, metadata
from leadfactory.settings import ROOT

log = logging.getLogger(__name__)
CONFIG, EXPERIMENTS = ROOT / "config", ROOT / "experiments"
BEAT_S = 2.0
# File → where it is read, once a process: a cached function that raises ConfigError (a ValueError) for a wrong file.
LOADERS: dict[str, tuple[str, str]] = {
    "contacts.yaml": ("leadfactory.monitoring.contacts", "contacts"),
    "crawl.yaml": ("leadfactory.d03_assessment.crawl_limits", "limits"),
    "delivery.yaml": ("leadfactory.d09_delivery.policy", "policy"),
    "edge.yaml": ("leadfactory.edge_rules", "rules"),
    "enrichment.yaml": ("leadfactory.d04_enrichment.policy", "policy"),
    "findings.yaml": ("leadfactory.d03_assessment.catalogue", "catalogue"),
    "guard.yaml": ("leadfactory.guard", "lexicon"),
    "lake_columns.yaml": ("leadfactory.d10_analytics.columns", "policy"),
    "letters.yaml": ("leadfactory.d08_personalization.letters", "config"),
    "matching.yaml": ("leadfactory.d02_sourcing.matching_rules", "rules"),
    "metros.yaml": ("leadfactory.d01_targeting.places", "_gazetteer"),
    "pages.yaml": ("leadfactory.d07_storefront.pages_config", "config"),
    "planning.yaml": ("leadfactory.d01_targeting.planning_config", "config"),
    "prices.yaml": ("leadfactory.d07_storefront.price_book", "price_list"),
    "replies.yaml": ("leadfactory.inbox.reply_rules", "reply_rules"),
    "retention.yaml": ("leadfactory.backup.retention", "rules"),
    "reports.yaml": ("leadfactory.d06_reports.settings", "config"),
    "revenue.yaml": ("leadfactory.d05_scoring.revenue", "config"),
    "scoring.yaml": ("leadfactory.d05_scoring.rule_file", "load"),
    "seller.yaml": ("leadfactory.seller", "seller"),
    "sourcing.yaml": ("leadfactory.d02_sourcing.sourcing_rules", "rules"),
    "storefront.yaml": ("leadfactory.d07_storefront.storefront", "storefront"),
    "technologies.yaml": ("leadfactory.d03_assessment.technologies", "known"),
    "vendor_terms.yaml": ("leadfactory.vendor_terms", "_load"),
    "vendors.yaml": ("leadfactory.d00_gateway.policies", "_loaded"),
    "verticals.yaml": ("leadfactory.d01_targeting.verticals", "verticals"),
    "webhooks.yaml": ("leadfactory.inbox.rules", "rules"),
}
READ_EVERY_TIME = {"pools.yaml", "security_accepted.yaml"}  # by a command, each time it runs
AT_START = {"development.yaml", "production.yaml"}  # settings of a process: a restart takes them over

config_reloads = sa.Table(
    "config_reloads",
    metadata,
    sa.Column("reload_id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("reloaded_at", Moment, nullable=False),
    sa.Column("reloaded_by", sa.Text, nullable=False),
    sa.Column("files", Json, nullable=False, comment="file → SHA-256 of what was checked"),
    comment="Configuration that was checked and is taken over by running processes: the newest row is what they follow.",
)
READ = "SELECT coalesce(max(reload_id), 0) FROM config_reloads"  # for connections of psycopg itself
_known = 0


@dataclasses.dataclass(frozen=True)
class Checked:
    """All configuration files: their digests, and what is wrong with them."""

    files: dict[str, str]
    problems: tuple[str, ...]


def check() -> Checked:
    """Reads every file anew and checks it as the process that uses it would; changes nothing of this process."""
    files, problems = {}, []
    for path in sorted([*CONFIG.glob("*.yaml"), *EXPERIMENTS.glob("*.yaml")]):
        name = path.name if path.parent == CONFIG else f"{path.parent.name}/{path.name}"
        try:
            files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            _read(path, name)
        except (ValueError, OSError, LookupError) as error:  # ConfigError and its kin are ValueErrors
            problems.append(f"{name}: {' '.join(str(error).split())}")
        except yaml_config.yaml.YAMLError as error:
            problems.append(f"{name}: no YAML ({' '.join(str(error).split())})")
    return Checked(files, tuple(problems))


def _read(path: Path, name: str) -> None:
    if name in LOADERS:
        module, function = LOADERS[name]
        loader = getattr(importlib.import_module(module), function).__wrapped__
        loader(path) if name == "vendor_terms.yaml" else loader()
    elif name == "experiments/production.yaml":
        from leadfactory.d11_experiments import definitions

        definitions.read(path)
    else:
        yaml_config.parse(path.read_text())


def announce(tx: sa.Connection, checked: Checked, *, by: str, now: dt.datetime) -> int:
    """Tells all processes to take over what was checked; the number of the reload.

    Raises:
        ValueError: a file is wrong; nothing is told.
    """
    if checked.problems:
        raise ValueError("nothing was changed: " + "; ".join(checked.problems))
    values = {"reloaded_at": now, "reloaded_by": by, "files": checked.files}
    return int(tx.scalar(sa.insert(config_reloads).values(**values).returning(config_reloads.c.reload_id)) or 0)


def changed(tx: sa.Connection, checked: Checked) -> list[str]:
    """Files that differ from those of the last reload; all of them when there was none."""
    newest = sa.select(config_reloads.c.files).order_by(config_reloads.c.reload_id.desc()).limit(1)
    before = tx.scalar(newest) or {}
    return sorted(name for name, digest in checked.files.items() if before.get(name) != digest)


def newest(tx: sa.Connection) -> int:
    """The number of the last reload; 0 when there was none."""
    return int(tx.scalar(sa.text(READ)) or 0)


def follow(reload_id: int) -> bool:
    """Takes over what was announced under ``reload_id`` unless that was done; whether something was forgotten."""
    global _known
    if reload_id <= _known:
        return False
    _known = reload_id
    for module, function in LOADERS.values():
        cached: Any = getattr(sys.modules.get(module), function, None)
        if cached is not None and isinstance(cached, functools._lru_cache_wrapper):
            cached.cache_clear()
    log.info("configuration %d is taken over", reload_id)
    return True


def look(db: Database) -> bool:
    """Asks the database and follows it."""
    with db.engine.connect() as tx:
        return follow(newest(tx))


@contextlib.asynccontextmanager
async def following(db: Database, told: Callable[[], None] | None = None) -> AsyncIterator[None]:
    """While the block runs, this process follows every reload within two seconds; ``told`` is called after each."""

    async def beat() -> None:
        while True:
            with contextlib.suppress(DatabaseUnavailable, sa.exc.SQLAlchemyError):
                if await asyncio.to_thread(look, db) and told is not None:
                    told()
            await asyncio.sleep(BEAT_S)

    task = asyncio.create_task(beat(), name="config-reloads")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
