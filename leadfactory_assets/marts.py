"""The second code location: dbt's marts, built aside and published by one rename. Only this module imports dagster_dbt."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets

from leadfactory.d10_analytics import warehouse
from leadfactory.settings import settings
from schedules.marts import marts_nightly


class MartsTranslator(DagsterDbtTranslator):
    """How dbt's models appear in the graph: in our group, with an owner; every lake source is the asset ``lake_export``."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """The spec of a model or source."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(
            group_name="d10_analytics", owners=["team:analytics"], tags={**spec.tags, "leadfactory/write": "export"}
        )


@dbt_assets(
    manifest=warehouse.manifest(settings()),
    dagster_dbt_translator=MartsTranslator(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)),
    name="dbt_marts",
    pool="duckdb",  # DuckDB has one writer
)
def dbt_marts(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """All marts, once a night and without --vars: built and tested in a side file, then published by one rename."""
    config = settings()
    with warehouse.building(config) as side:
        os.environ |= warehouse.environment(config, side)
        yield from dbt.cli(["build"], context=context, target_path=config.home / "dbt" / "target").stream()
        published = warehouse.publish(config, side)
    context.log.info(f"published build {published.build_id} with {published.rows}")


marts = dg.define_asset_job(
    "marts",
    selection=dg.AssetSelection.assets(dbt_marts),
    executor_def=dg.in_process_executor,
    description="Builds every mart aside, tests it, publishes the file by one rename.",
)


dbt_cli = DbtCliResource(
    project_dir=str(warehouse.PROJECT), profiles_dir=str(warehouse.PROJECT), dbt_executable=str(warehouse.DBT)
)
defs = dg.Definitions(assets=[dbt_marts], jobs=[marts], schedules=[marts_nightly], resources={"dbt": dbt_cli})
