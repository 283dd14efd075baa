"""The shape of the graph: what each asset is called, depends on, belongs to and promises. A change shows up in review."""

from __future__ import annotations

import ast
import inspect
import json
from pathlib import Path

import dagster as dg
import pytest

from leadfactory_assets.definitions import ROOMS, defs
from leadfactory_assets.policies import PREFIX, WRITE_TAG

SNAPSHOT = Path(__file__).parent / "graph.json"
WRITE_MODES = {"replace", "fill", "claim", "fold", "export"}
SPECS = {spec.key.path[-1]: spec for spec in defs.resolve_all_asset_specs() if spec.key.path[0] == PREFIX}


def graph() -> dict[str, object]:
    """Key → what the snapshot holds of it."""
    return {
        name: {
            "after": sorted(dep.asset_key.path[-1] for dep in spec.deps),
            "group": spec.group_name,
            "owners": sorted(spec.owners),
            "kinds": sorted(spec.kinds),
            "write": spec.tags.get(WRITE_TAG),
            "partitioned": spec.partitions_def is not None,
        }
        for name, spec in sorted(SPECS.items())
    }


def test_the_graph_is_the_one_that_was_reviewed() -> None:
    assert graph() == json.loads(SNAPSHOT.read_text()), (
        "if this is meant, write the new graph to tests/assets/graph.json"
    )


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_says_what_one_row_means(name: str) -> None:
    assert "row per" in (SPECS[name].description or "").lower() or "file per" in (SPECS[name].description or "").lower()


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_declares_its_write_mode(name: str) -> None:
    assert SPECS[name].tags.get(WRITE_TAG) in WRITE_MODES


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_asset_has_an_owner_a_kind_and_a_group(name: str) -> None:
    spec = SPECS[name]
    assert spec.owners
    assert spec.kinds
    assert spec.group_name.startswith("d")


def test_every_domain_asset_has_a_blocking_check() -> None:
    checks = {
        key.asset_key.path[-1]
        for key in defs.resolve_asset_graph().asset_check_keys
        if key.name.endswith("_expectations")
    }
    partitioned = {name for name, spec in SPECS.items() if spec.partitions_def is not None}
    assert checks == partitioned


def test_the_nightly_job_ends_at_drafts_and_mails_nothing() -> None:
    job = defs.resolve_job_def("campaign_day")
    steps = {name.removeprefix("leadfactory__") for name in job.graph.node_dict}
    assert "email_drafts" in steps
    assert not steps & {"email_sends", "lake_export"}


def test_a_click_on_email_sends_is_a_dry_run() -> None:
    asset = next(a for a in defs.assets or [] if isinstance(a, dg.AssetsDefinition) and a.key.path[-1] == "email_sends")
    assert (
        asset.op.config_schema.default_value == {"dry_run": True}
        or asset.op.config_schema.as_field().default_value["dry_run"] is True
    )


@pytest.mark.parametrize("room", ROOMS, ids=lambda m: m.__name__.split(".")[-1])
def test_assets_decide_nothing_and_stay_short(room: object) -> None:
    tree = ast.parse(inspect.getsource(room))  # type: ignore[arg-type]
    bodies = {
        node.name: sum(1 for part in ast.walk(node) if isinstance(part, ast.stmt)) - 1
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    assert {name: size for name, size in bodies.items() if size > 15} == {}
