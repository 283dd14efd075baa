"""Where benchmark results go, with the machine that made them."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "results"


def write(name: str, ratios: list[dict[str, Any]], **details: Any) -> None:
    """Writes ``bench/results/<name>.json``; each ratio is ``{"name", "ratio", "goal"}``, goal None when there is none."""
    FOLDER.mkdir(exist_ok=True)
    machine = {
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    (FOLDER / f"{name}.json").write_text(json.dumps({"machine": machine, "ratios": ratios, **details}, indent=2) + "\n")
