"""One process of dbt: whether the lake is fresh, then the models and tests, on one parse of the project.

`python -m leadfactory.d10_analytics.dbt_nodes RESULTS RECORDED build ...` leaves what each node said in RESULTS, and the statements of a
build that held in RECORDED, which can be repeated. dbt's own artifacts hold the same beside the whole project, which takes as long to
write as a dozen marts take to build.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from leadfactory.d10_analytics import repeating
from leadfactory.importing import GRAMMAR, standing_in

QUIET = (
    "--no-write-json",
    "--log-level",
    "error",
    "--log-level-file",
    "none",
)  # who reads what dbt says reads what failed


def main() -> int:
    """Dbt's exit code of the last of its commands."""
    with standing_in({GRAMMAR: None}):
        from dbt.cli.main import dbtRunner

    results, recorded, *arguments = sys.argv[1:]
    at = arguments.index("--project-dir")
    common = arguments[at:]
    parsed = dbtRunner().invoke([*QUIET, "parse", *common])
    if not parsed.success:
        return _said(parsed)
    dbt = dbtRunner(manifest=parsed.result)  # type: ignore[arg-type]
    with repeating.listening() as heard:
        fresh = dbt.invoke([*QUIET, "source", "freshness", *common])
        built = dbt.invoke([*QUIET, *arguments])
    told = [*_told(fresh), *_told(built)]
    Path(results).parent.mkdir(parents=True, exist_ok=True)
    Path(results).write_text(json.dumps({"results": told}))
    if not built.success:
        return _said(built)
    key = repeating.key(arguments[:at], os.environ)
    repeating.record(Path(recorded), key, os.environ["LEADFACTORY_NOW"], heard, told)
    return 0


def _told(done: Any) -> Iterable[dict[str, Any]]:
    for each in getattr(done.result, "results", None) or ():
        yield {
            "unique_id": each.node.unique_id, "status": str(each.status), "held": _held(each), "failures": getattr(each, "failures", None),
            "message": _age(each) if hasattr(each, "age") else each.message, "execution_time": each.execution_time,
            "compiled_code": getattr(each.node, "compiled_code", None), "fresh_within_s": _within(each),
        }  # fmt: skip


def _held(each: Any) -> bool:
    return each.status == "pass" or (each.status == "warn" and not hasattr(each, "age"))  # a stale lake is told at once


def _age(fresh: Any) -> str:
    return repeating.age(fresh.max_loaded_at, fresh.age)


def _within(each: Any) -> float | None:
    """Seconds after which a source is stale; None of what is no source."""
    if not hasattr(each, "age") or not each.node.freshness.warn_after:
        return None
    limit = each.node.freshness.warn_after
    return {"minute": 60.0, "hour": 3600.0, "day": 86400.0}[str(limit.period.value)] * limit.count


def _said(done: Any) -> int:
    if done.exception is not None:
        sys.stderr.write(f"{done.exception}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
