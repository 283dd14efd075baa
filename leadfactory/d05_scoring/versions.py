"""Which rules score: the code's version and the one that the rule file gives itself. Light, for the wiring imports it."""

from __future__ import annotations

from pathlib import Path

from leadfactory import yaml_config
from leadfactory.settings import ROOT

CODE = "3"  # of leadfactory/d05_scoring; a rule file has its own
RULES = ROOT / "config" / "scoring.yaml"


def declared(path: Path = RULES) -> str:
    """The version that a rule file gives itself, read without judging the rest: a wrong rule fails its asset, not the graph."""
    try:
        return str(yaml_config.parse(path.read_text())["version"])
    except Exception:  # noqa: BLE001 - whatever is wrong, loading the rules says it with file, key and value
        return "unreadable"


def asset_version() -> str:
    """Code and rule file together, as the asset's code_version."""
    return f"{CODE}.{declared()}"
