"""One process of dbt: whether the lake is fresh, then the models and tests, on one parse of the project.

`python -m leadfactory.d10_analytics.dbt_nodes RESULTS build ...` leaves what each node said in RESULTS. dbt's own artifacts hold the same
beside the whole project, which takes as long to write as a dozen marts take to build.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from leadfactory.importing import GRAMMAR, standing_in


def main() -> int:
    """Dbt's exit code of the last of its commands."""
    with standing_in({GRAMMAR: None}):
        from dbt.cli.main import dbtRunner

    results, *arguments = sys.argv[1:]
    common = arguments[arguments.index("--project-dir") :]
    parsed = dbtRunner().invoke(["--no-write-json", "parse", *common])
    if not parsed.success:
        return _said(parsed)
    dbt = dbtRunner(manifest=parsed.result)  # type: ignore[arg-type]
    fresh = dbt.invoke(["--no-write-json", "source", "freshness", *common])
    built = dbt.invoke(["--no-write-json", *arguments])
    Path(results).parent.mkdir(parents=True, exist_ok=True)
    Path(results).write_text(json.dumps({"results": [*_told(fresh), *_told(built)]}))
    return 0 if built.success else _said(built)


def _told(done: Any) -> Iterable[dict[str, Any]]:
    for each in getattr(done.result, "results", None) or ():
        yield {
            "unique_id": each.node.unique_id, "status": str(each.status), "held": _held(each), "failures": getattr(each, "failures", None),
            "message": _age(each) if hasattr(each, "age") else each.message, "execution_time": each.execution_time,
            "compiled_code": getattr(each.node, "compiled_code", None),
        }  # fmt: skip


def _held(each: Any) -> bool:
    return each.status == "pass" or (each.status == "warn" and not hasattr(each, "age"))  # a stale lake is told at once


def _age(fresh: Any) -> str:
    return f"nothing in the lake is newer than {fresh.max_loaded_at:%Y-%m-%d %H:%M} UTC ({fresh.age / 3600:.1f} h ago)"


def _said(done: Any) -> int:
    if done.exception is not None:
        sys.stderr.write(f"{done.exception}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
