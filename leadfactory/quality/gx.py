"""Runs one suite of set rules with Great Expectations. Importing GX takes seconds: only ``judge`` does it, once a process."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import json
import logging
import os
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.importing import GRAMMAR, Later, standing_in
from leadfactory.quality import verdicts
from leadfactory.quality.suites import SUITES, Expect, Suite

if TYPE_CHECKING:
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Judgement:
    """What a suite found: how many rows and expectations were looked at, and the rules that do not hold."""

    suite: str
    version: str
    passed: bool
    evaluated: int
    rows: int
    broken: tuple[str, ...]
    input_hash: bytes


def judge(tx: sa.Connection, asset: str, unit: CampaignDay) -> Judgement:
    """The suite of ``asset`` over what ``unit`` holds now; what was judged before by the same rules is not judged again.

    Raises:
        KeyError: when ``asset`` has no suite.
    """
    suite, held = SUITES[asset], look(tx, asset, unit)
    count, digest = len(held.rows), held.input_hash
    known = verdicts.known(tx, asset, unit, suite.version, digest)
    if known is not None:
        return Judgement(asset, suite.version, known.passed, known.evaluated, count, known.broken, digest)
    broken = [
        *_broken(suite, "rows", held.columns, held.rows, suite.of_rows),
        *_broken(suite, "totals", held.totals_columns, held.totals, suite.of_totals),
    ]
    evaluated = (len(suite.of_rows) if count else 0) + len(suite.of_totals)
    return Judgement(asset, suite.version, not broken, evaluated, count, tuple(broken), digest)


@dataclasses.dataclass(frozen=True)
class Held:
    """What a suite looks at: rows and totals with their columns. ``input_hash`` is of these and of the rules."""

    columns: list[str]
    rows: list[tuple[Any, ...]]
    totals_columns: list[str]
    totals: list[tuple[Any, ...]]
    input_hash: bytes


def look(tx: sa.Connection, asset: str, unit: CampaignDay) -> Held:
    """What ``unit`` holds now of what the suite of ``asset`` judges."""
    suite, parameters = SUITES[asset], {"campaign": unit.campaign, "cohort_on": unit.day}
    rows = tx.execute(sa.text(suite.rows), parameters)
    columns, values = list(rows.keys()), [tuple(row) for row in rows]
    totals = tx.execute(sa.text(suite.totals), parameters)
    totals_columns, totals_values = list(totals.keys()), [tuple(row) for row in totals]
    judged_on = [repr(suite), sorted(map(str, values)), list(map(str, totals_values))]
    digest = hashlib.sha256(json.dumps(judged_on).encode()).digest()
    return Held(columns, values, totals_columns, totals_values, digest)


def _broken(
    suite: Suite, part: str, columns: list[str], values: list[tuple[Any, ...]], expectations: tuple[Expect, ...]
) -> list[str]:
    return [f"{part}: {told}" for told in broken(f"{suite.asset}_{part}", columns, values, expectations)]


def broken(name: str, columns: list[str], values: list[tuple[Any, ...]], expectations: tuple[Expect, ...]) -> list[str]:
    """The expectations that these rows do not meet, in words; rows that are not there break none."""
    found = []
    for expectation in _validated(name, columns, values, expectations):
        if not expectation.success:
            count = (expectation.result or {}).get("unexpected_count")
            told = f" ({count} rows)" if count is not None else ""
            found.append(f"{_in_words(expectation)}{told}")
    return found


def broken_lines(
    name: str, columns: list[str], values: list[tuple[Any, ...]], expectations: tuple[Expect, ...]
) -> list[tuple[tuple[Any, ...], str]]:
    """Each of these rows that does not meet an expectation, with the expectation and what the row says, in words."""
    found = []
    for expectation in _validated(name, columns, values, expectations, {"result_format": "COMPLETE"}):
        if not expectation.success:
            for number in expectation.result["unexpected_index_list"]:
                said = {c: v for c, v in zip(columns, values[number], strict=True) if v is not None}
                found.append((values[number], f"{_in_words(expectation)}: {said}"))
    return found


def _validated(
    name: str,
    columns: list[str],
    values: list[tuple[Any, ...]],
    expectations: tuple[Expect, ...],
    how: dict[str, Any] | None = None,
) -> list[Any]:
    if not values:
        return []
    import pandas as pd

    gx = _great_expectations()
    frame: pd.DataFrame = pd.DataFrame(values, columns=columns)
    batch = (
        _context()
        .data_sources.add_or_update_pandas("memory")
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("all")
        .get_batch({"dataframe": frame})
    )
    rules = [getattr(gx.expectations, expect.kind)(**expect.arguments) for expect in expectations]
    suite = gx.ExpectationSuite(name=name, expectations=rules)
    return list((batch.validate(suite, result_format=how) if how else batch.validate(suite)).results)


def _in_words(expectation: Any) -> str:
    config = expectation.expectation_config
    return f"{config.type} { {k: v for k, v in config.kwargs.items() if k != 'batch_id'} }"


@functools.cache
def _great_expectations() -> Any:
    """The package; altair, in which it draws documents of its own, is imported when it draws one."""
    with standing_in({"altair": Later("altair"), GRAMMAR: None}):
        return importlib.import_module("great_expectations")


@functools.lru_cache(maxsize=1)
def _context() -> Any:
    """One ephemeral context a process, without progress bars and without telling anyone."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    context = _great_expectations().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    return context
