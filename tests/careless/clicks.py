"""What a hand does in the operators' UI, as the UI's own GraphQL requests; built on the CLI's client of the same API."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

from cli.dagster_api import FINAL, DagsterApi
from leadfactory.campaign_day import CampaignDay

WITHIN_S = 400.0
REPOSITORY = {"repositoryLocationName": "factory", "repositoryName": "__repository__"}
RUNS = """query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results {
  runId status jobName startTime endTime tags { key value } assetSelection { path } } } } }"""


def asset(name: str) -> dict[str, list[str]]:
    """An asset key as GraphQL takes it."""
    return {"path": ["leadfactory", name]}


@dataclasses.dataclass(frozen=True)
class Hand:
    """A careless hand at one webserver."""

    api: DagsterApi

    def backfill(self, names: Iterable[str], units: Iterable[CampaignDay]) -> str:
        """Selects assets and partitions, and launches; the backfill's id."""
        data = self.api.ask(
            """mutation ($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) { __typename
                 ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }""",
            params={"assetSelection": [asset(name) for name in names], "partitionNames": [unit.key for unit in units]},
        )
        assert data["launchPartitionBackfill"]["__typename"] == "LaunchBackfillSuccess", data
        return str(data["launchPartitionBackfill"]["backfillId"])

    def cancel(self, backfill: str) -> None:
        """Stops a backfill."""
        self.api.ask("mutation ($id: String!) { cancelPartitionBackfill(backfillId: $id) { __typename } }", id=backfill)

    def materialize(
        self, name: str, unit: CampaignDay | None, config: dict[str, Any] | None = None, *, checks: bool = False
    ) -> dict[str, Any]:
        """Clicks "Materialize" on one asset; what the webserver answers."""
        tags = [] if unit is None else [
            {"key": "dagster/partition", "value": unit.key},
            {"key": "dagster/partition/campaign", "value": unit.campaign},
            {"key": "dagster/partition/date", "value": unit.day.isoformat()},
        ]  # fmt: skip
        selector = REPOSITORY | {"pipelineName": "__ASSET_JOB", "assetSelection": [asset(name)]}
        data = self.api.ask(
            """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
                 ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
                 ... on RunConfigValidationInvalid { errors { message } } } }""",
            params={
                "selector": selector | ({} if checks else {"assetCheckSelection": []}),
                "runConfigData": config or {},
                "executionMetadata": {"tags": tags},
            },
        )
        return dict(data["launchRun"])

    def started(self, name: str, unit: CampaignDay | None, config: dict[str, Any] | None = None) -> str:
        """The run that a click on one asset starts."""
        answer = self.materialize(name, unit, config)
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def runs(self, **filters: Any) -> list[dict[str, Any]]:
        """Runs, newest first."""
        return list(self.api.ask(RUNS, filter=filters)["runsOrError"]["results"])

    def run(self, run_id: str) -> dict[str, Any]:
        """One run."""
        return self.runs(runIds=[run_id])[0]

    def ended(self, *run_ids: str) -> list[str]:
        """How these runs ended, in order, when all have."""
        until(lambda: all(self.run(each)["status"] in FINAL for each in run_ids), f"the runs {run_ids} end")
        return [str(self.run(each)["status"]) for each in run_ids]

    def of_backfill(self, backfill: str) -> list[dict[str, Any]]:
        """The runs of a backfill."""
        return self.runs(tags=[{"key": "dagster/backfill", "value": backfill}])

    def done(self, backfill: str) -> str:
        """How a backfill ended, when it has."""
        query = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { __typename
          ... on PartitionBackfill { status } ... on PythonError { message } } }"""
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(self.api.ask(query, id=backfill)["partitionBackfillOrError"])
            return found.get("status") in {"COMPLETED_SUCCESS", "COMPLETED_FAILED", "CANCELED", "FAILED", "COMPLETED"}

        until(over, f"backfill {backfill} ends")
        return str(found["status"])

    def told(self, run_id: str, name: str) -> dict[str, Any]:
        """The metadata of the first materialization of an asset in a run: label → value."""
        data = self.api.ask(
            """query ($id: ID!) { logsForRun(runId: $id, limit: 1000) { ... on EventConnection { events { __typename
                 ... on MaterializationEvent { assetKey { path } metadataEntries { label
                   ... on IntMetadataEntry { intValue } ... on MarkdownMetadataEntry { mdStr }
                   ... on JsonMetadataEntry { jsonString } ... on TextMetadataEntry { text } } } } } } }""",
            id=run_id,
        )
        for event in data["logsForRun"]["events"]:
            if event["__typename"] == "MaterializationEvent" and event["assetKey"]["path"][-1] == name:
                return {
                    entry["label"]: next((v for k, v in entry.items() if k != "label"), None)
                    for entry in event["metadataEntries"]
                }
        raise AssertionError(f"{name} was not materialized in run {run_id}")


def until(true: Callable[[], bool], what: str) -> None:
    """Waits for a fact that the factory brings about by itself; how long it takes is not judged."""
    deadline = time.monotonic() + WITHIN_S
    while not true():
        assert time.monotonic() < deadline, f"not within {WITHIN_S:.0f} s: {what}"
        time.sleep(0.25)
