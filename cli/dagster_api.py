"""The operators' door to Dagster from the command line: the webserver's GraphQL API, without importing dagster."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import httpx

from cli.output import CommandError
from leadfactory.campaign_day import CampaignDay

FINAL = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as the webserver tells it."""

    run_id: str
    status: str


class DagsterApi:
    """One webserver. Every method raises CommandError when it does not answer or refuses."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.Client(base_url=url, timeout=60)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """One GraphQL request; the ``data`` of its answer."""
        try:
            answer = self._http.post("/graphql", json={"query": query, "variables": variables})
            answer.raise_for_status()
            body = answer.json()
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise CommandError(f"Dagster at {self.url} does not answer ({error}): start it with `make dev`") from None
        if body.get("errors"):
            raise CommandError(f"Dagster at {self.url} refused: {body['errors'][0]['message']}")
        return dict(body["data"])

    def locations(self) -> dict[str, str]:
        """Code location → LOADED, LOADING, or the message of its load error."""
        data = self.ask(
            """{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus
                 locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
        )
        found = {}
        for entry in data["workspaceOrError"].get("locationEntries", []):
            loaded = entry["locationOrLoadError"] or {}
            error = loaded.get("__typename") == "PythonError"
            found[entry["name"]] = loaded["message"] if error else entry["loadStatus"]
        return found

    def register_campaign(self, campaign: str) -> None:
        """Adds the campaign's partition key; adding it twice is fine."""
        data = self.ask(
            """mutation ($key: String!, $selector: RepositorySelector!) {
                 addDynamicPartition(repositorySelector: $selector, partitionsDefName: "campaign", partitionKey: $key) {
                   __typename ... on PythonError { message } ... on UnauthorizedError { message } } }""",
            key=campaign,
            selector={"repositoryLocationName": "factory", "repositoryName": "__repository__"},
        )
        result = data["addDynamicPartition"]
        if result["__typename"] not in {"AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"}:
            raise CommandError(
                f"campaign {campaign!r} was not registered: {result.get('message', result['__typename'])}"
            )

    def launch(
        self,
        job: str,
        *,
        unit: CampaignDay | None = None,
        config: dict[str, Any] | None = None,
        location: str = "factory",
    ) -> str:
        """Queues a run of ``job``, on ``unit`` when it is partitioned; the run's id."""
        tags = [{"key": "leadfactory/launched_by", "value": "cli"}]
        if unit is not None:
            tags += [
                {"key": "dagster/partition", "value": unit.key},
                {"key": "dagster/partition/campaign", "value": unit.campaign},
                {"key": "dagster/partition/date", "value": unit.day.isoformat()},
            ]
        data = self.ask(
            """mutation ($params: ExecutionParams!) { launchRun(executionParams: $params) { __typename
                 ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
                 ... on RunConfigValidationInvalid { errors { message } } ... on InvalidSubsetError { message }
                 ... on PipelineNotFoundError { message } ... on ConflictingExecutionParamsError { message } } }""",
            params={
                "selector": {
                    "repositoryLocationName": location,
                    "repositoryName": "__repository__",
                    "pipelineName": job,
                },
                "runConfigData": config or {},
                "executionMetadata": {"tags": tags},
            },
        )
        result = data["launchRun"]
        if result["__typename"] != "LaunchRunSuccess":
            told = (
                result.get("message")
                or "; ".join(e["message"] for e in result.get("errors", []))
                or result["__typename"]
            )
            raise CommandError(f"job {job!r} was not launched: {told}")
        return str(result["run"]["runId"])

    def run(self, run_id: str) -> Run:
        """The run's present status."""
        data = self.ask("query ($id: ID!) { runOrError(runId: $id) { __typename ... on Run { status } } }", id=run_id)
        return Run(run_id, data["runOrError"].get("status", "NOT_FOUND"))

    def why_failed(self, run_id: str) -> str:
        """The first step failure of the run, for people."""
        data = self.ask(
            """query ($id: ID!) { logsForRun(runId: $id) { ... on EventConnection { events { __typename
                 ... on ExecutionStepFailureEvent { stepKey error { message causes { message } } }
                 ... on RunFailureEvent { message error { message } } } } } }""",
            id=run_id,
        )
        events = data["logsForRun"].get("events", [])
        for event in events:
            if event["__typename"] == "ExecutionStepFailureEvent" and event["error"]:
                causes = event["error"]["causes"]
                message = (causes[-1] if causes else event["error"])["message"].strip()
                return f"{event['stepKey']}: {message}"
        for event in events:
            if event["__typename"] == "RunFailureEvent":
                return str((event.get("error") or {}).get("message") or event.get("message"))
        return "no step failure was recorded"
