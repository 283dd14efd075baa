"""The dbt project: as wide as the lake, described, and with contracts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from leadfactory.d10_analytics import configured, warehouse
from leadfactory.d10_analytics.columns import policy
from leadfactory.settings import Settings

pytestmark = pytest.mark.slow
TABLES = {name: rules.columns for name, rules in {**policy().tables, **policy().registries}.items()}
TABLES |= {name: tuple(schema.names) for name, (schema, _) in configured.tables().items()}


@pytest.fixture(scope="module")
def manifest(config: Settings) -> dict[str, Any]:
    return json.loads(warehouse.manifest(config).read_text())


@pytest.fixture(scope="module")
def models(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {node["name"]: node for node in manifest["nodes"].values() if node["resource_type"] == "model"}


def test_every_table_of_the_lake_is_a_source(manifest: dict[str, Any]) -> None:
    assert {s["name"] for s in manifest["sources"].values() if s["source_name"] == "lake"} == set(TABLES)


def test_every_source_has_one_staging_model(models: dict[str, Any]) -> None:
    assert {name for name in models if name.startswith("stg_")} == {f"stg_{table}" for table in TABLES}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_staging_model_has_the_columns_of_the_lake(models: dict[str, Any], table: str) -> None:
    assert tuple(models[f"stg_{table}"]["columns"]) == TABLES[table]


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_staging_model_only_names_columns(models: dict[str, Any], table: str) -> None:
    code = " ".join(models[f"stg_{table}"]["raw_code"].split())
    assert code == f"select {', '.join(TABLES[table])} from {{{{ source('lake', '{table}') }}}}"


def test_staging_is_not_published(models: dict[str, Any]) -> None:
    assert {n["config"]["materialized"] for name, n in models.items() if name.startswith("stg_")} == {"ephemeral"}


def test_every_model_and_column_is_described(models: dict[str, Any]) -> None:
    bare = [
        f"{name}.{c}"
        for name, node in models.items()
        for c, column in node["columns"].items()
        if not column["description"]
    ]
    assert bare + [name for name, node in models.items() if not node["description"]] == []


def test_every_mart_has_a_contract(models: dict[str, Any]) -> None:
    assert all(node["contract"]["enforced"] for name, node in models.items() if not name.startswith(("stg_", "int_")))


def test_singular_and_unit_tests_are_there(manifest: dict[str, Any]) -> None:
    singular = [n for n in manifest["nodes"].values() if n["resource_type"] == "test" and not n.get("test_metadata")]
    assert len(singular) >= 6
    assert len(manifest["unit_tests"]) >= 5


def test_every_measure_of_the_funnel_is_a_column_of_its_marts(models: dict[str, dict[str, Any]]) -> None:
    measures = [name for name in models["int_funnel_days"]["columns"] if not name.endswith(("_on", "_id"))]
    for mart in ("mart_daily_funnel", "mart_daily_activity", "mart_cohort_funnel"):
        assert [name for name in models[mart]["columns"] if name in measures] == measures


def test_no_column_is_called_date(models: dict[str, dict[str, Any]]) -> None:
    assert [name for name, node in models.items() if "date" in node["columns"]] == []


def test_a_manifest_is_parsed_once(config: Settings, manifest: dict[str, Any]) -> None:
    before = warehouse.manifest(config).stat().st_mtime_ns
    assert warehouse.manifest(config).stat().st_mtime_ns == before


def test_every_dashboard_is_an_exposure_with_its_marts(manifest: dict[str, Any]) -> None:
    found = {each["name"]: each["depends_on"]["nodes"] for each in manifest["exposures"].values()}
    assert {"funnel", "system", "revenue", "email"} <= set(found)
    assert all(nodes for nodes in found.values())
