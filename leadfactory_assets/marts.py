"""The second code location: dbt's marts, built aside and published by one rename. Only this module imports dagster_dbt."""

import graphlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, build_dbt_asset_specs

from leadfactory.d10_analytics import judging, warehouse
from leadfactory.database import Database
from leadfactory.settings import settings
from resources.database import DatabaseResource
from schedules.marts import marts_nightly


class MartsTranslator(DagsterDbtTranslator):
    """How dbt's models appear in the graph: in our group, with an owner; every lake source is the asset ``lake_export``."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """The spec of a model or source."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        return spec.replace_attributes(
            group_name="d10_analytics", owners=["team:analytics"], tags={**spec.tags, "leadfactory/write": "export"}
        )


MANIFEST = json.loads(warehouse.manifest(settings()).read_text())
SPECS = build_dbt_asset_specs(
    manifest=MANIFEST,
    dagster_dbt_translator=MartsTranslator(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True)),
)
IN_ORDER = tuple(  # Dagster wants to hear of a mart after those that it is made from
    key
    for key in graphlib.TopologicalSorter({s.key: {dep.asset_key for dep in s.deps} for s in SPECS}).static_order()
    if key in {spec.key for spec in SPECS}
)
MART_OF = {spec.metadata["dagster_dbt/unique_id"]: spec.key for spec in SPECS}


def _checks() -> dict[str, dg.AssetCheckSpec]:
    """dbt's tests by dbt's id. Staging models are no assets: their tests belong to the first mart that reads them, or else to
    the first of all, since nothing is published without them."""
    found = {}
    for test_id, test in {**MANIFEST["nodes"], **MANIFEST["unit_tests"]}.items():
        if not test_id.startswith(("test.", "unit_test.")):
            continue
        near = [test.get("attached_node"), *sorted(test["depends_on"]["nodes"])]
        near += sorted(child for node in near if node for child in MANIFEST["child_map"].get(node, ()))
        mart = next((MART_OF[node] for node in near if node in MART_OF), min(MART_OF.values()))
        found[test_id] = dg.AssetCheckSpec(test["name"], asset=mart, description=test.get("description") or None)
    found[warehouse.FRESH] = dg.AssetCheckSpec(
        "lake_is_fresh", asset=dg.AssetKey(["marts", "mart_daily_activity"]),
        description="Something in the lake was written within the last 26 hours: else the nightly export does not run, or nothing happens.",
    )  # fmt: skip
    for name in judging.KEYS:
        about = "Great Expectations on the built mart: its key, its shares, its counts."
        found[f"{warehouse.EXPECTATIONS}{name}"] = dg.AssetCheckSpec(
            f"{name}_expectations", asset=dg.AssetKey(["marts", name]), description=about
        )
    return found


CHECKS = _checks()


def _results(tested: tuple[warehouse.Tested, ...]) -> Iterator[dg.AssetCheckResult]:
    for each in tested:
        check = CHECKS[each.test_id]
        yield dg.AssetCheckResult(
            passed=each.passed, check_name=check.name, asset_key=check.asset_key,
            severity=dg.AssetCheckSeverity.WARN if each.test_id == warehouse.FRESH else dg.AssetCheckSeverity.ERROR,
            metadata={"failing rows": each.failures, "dbt": each.message},
        )  # fmt: skip


@dg.multi_asset(specs=SPECS, check_specs=list(CHECKS.values()), pool="duckdb", can_subset=False)
def dbt_marts() -> Iterator[dg.AssetCheckResult | dg.MaterializeResult]:
    """All marts or none: built and judged in a side file, then published there and in Postgres; materialized once published."""
    from leadfactory.d10_analytics import postgres_marts

    try:
        published = warehouse.build_marts(settings(), into=postgres_marts.owner_url(settings()))
    except warehouse.MartsError as error:
        yield from _results(error.tested)
        raise
    about: dict[str, Any] = {"build": published.build_id, "lake manifest": published.lake_manifest_sha256}
    about["dbt"] = "repeated as it built before" if published.repeated else "built"
    for key in IN_ORDER:
        rows = published.rows.get(key.path[-1])  # of an intermediate model, which is not published, None
        yield dg.MaterializeResult(
            asset_key=key, metadata=about if rows is None else {**about, "dagster/row_count": rows}
        )
    yield from _results(published.tested)


@dg.asset_check(
    asset=dg.AssetKey(["marts", "mart_cohort_funnel"]),
    name="marts_match_ledgers",
    description="The published marts say of each campaign-day what the ledgers in Postgres say: difference 0, to the row and the cent.",
)
def marts_match_ledgers(db: dg.ResourceParam[Database]) -> dg.AssetCheckResult:
    from leadfactory.d10_analytics import agreeing

    connection = db.engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with connection, connection.begin():
        days, found = agreeing.differences(connection, settings())
    named = [str(each) for each in found[:50]]
    return dg.AssetCheckResult(
        passed=not found, metadata={"campaign-days": days, "difference": len(found), "named": named}
    )


marts = dg.define_asset_job(
    "marts",
    selection=dg.AssetSelection.assets(dbt_marts),
    executor_def=dg.in_process_executor,
    description="Builds every mart aside, tests it, publishes the file by one rename.",
)
defs = dg.Definitions(
    assets=[dbt_marts], asset_checks=[marts_match_ledgers], jobs=[marts], schedules=[marts_nightly], resources={"db": DatabaseResource()},
)  # fmt: skip
