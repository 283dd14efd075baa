"""The values for Dagster's Helm chart give an instance, a launcher and pods that Dagster and Kubernetes accept.

The chart is on no registry that a test could install it from, so it is not rendered. What its templates do with our values is done here by
hand, a few renamings, and the results are judged by what judges them in the cluster: Dagster's own schema and launcher, Kubernetes' own models.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from dagster._config import process_config, validate_config
from dagster._core.instance.config import dagster_instance_config_schema
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster_k8s import K8sRunLauncher
from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job
from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes import client

ROOT = Path(__file__).resolve().parents[2]
KINDS = {
    "Job": client.V1Job, "Deployment": client.V1Deployment, "Service": client.V1Service,
    "PersistentVolumeClaim": client.V1PersistentVolumeClaim,
}  # fmt: skip
# What the chart's own schema (helm/dagster/schema of Dagster's repository, read 2026-11-30) knows at each place where we set something.
KNOWN = {
    "": "global dagsterWebserver dagsterDaemon dagster-user-deployments runLauncher postgresql rabbitmq redis telemetry concurrency",
    "global": "postgresqlSecretName",
    "dagsterWebserver": "replicaCount enableReadOnly workspace envSecrets image resources",
    "dagsterDaemon": "enabled image envSecrets resources runCoordinator runMonitoring runRetries",
    "dagsterDaemon.runCoordinator": "enabled type config",
    "dagsterDaemon.runCoordinator.config.queuedRunCoordinator": "dequeueIntervalSeconds dequeueNumWorkers dequeueUseThreads blockOpConcurrencyLimitedRuns",
    "dagsterDaemon.runRetries": "enabled maxRetries retryOnAssetOrOpFailure",
    "concurrency": "enabled pools runs",
    "concurrency.pools": "defaultLimit granularity opGranularityRunBuffer",
    "concurrency.runs": "maxConcurrentRuns tagConcurrencyLimits",
    "dagster-user-deployments": "enabled enableSubchart imagePullSecrets deployments",
    "runLauncher": "type config",
    "runLauncher.config.k8sRunLauncher": "image imagePullPolicy jobNamespace loadInclusterConfig kubeconfigFile envConfigMaps envSecrets envVars "
    "volumeMounts volumes labels failPodOnRunFailure resources schedulerName securityContext runK8sConfig",
}  # fmt: skip
OF_A_DEPLOYMENT = [
    "name",
    "image",
    "port",
    "dagsterApiGrpcArgs",
    "codeServerArgs",
    "env",
    "envConfigMaps",
    "envSecrets",
    "resources",
    "volumes",
    "volumeMounts",
]


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "helm" / "values.yaml").read_text())
    return found


def at(values: dict[str, Any], place: str) -> Any:
    for name in place.split(".") if place else ():
        values = values[name]
    return values


def snake(value: Any) -> Any:
    """Keys as dagster.yaml has them; what is below ``value`` of a tag limit, and Kubernetes' own words, stay."""
    if isinstance(value, dict):
        return {
            re.sub(r"([A-Z])", lambda letter: "_" + letter[1].lower(), key): each if key == "value" else snake(each)
            for key, each in value.items()
        }
    return [snake(each) for each in value] if isinstance(value, list) else value


def image(of: dict[str, Any]) -> str:
    return f"{of['repository']}:{of['tag']}"


def instance(values: dict[str, Any]) -> dict[str, Any]:
    """The parts of dagster.yaml that the chart makes of our values."""
    daemon, limits = values["dagsterDaemon"], values["concurrency"]
    return {
        "concurrency": snake({name: limits[name] for name in ("pools", "runs")}),
        "run_monitoring": snake(daemon["runMonitoring"]),
        "run_retries": snake(daemon["runRetries"]),
        "telemetry": values["telemetry"],
    }


def launcher(values: dict[str, Any]) -> dict[str, Any]:
    """The configuration of the run launcher that the chart makes of our values, with what it adds of its own."""
    told = at(values, "runLauncher.config.k8sRunLauncher")
    named = [each["name"] for each in told["envSecrets"]]
    return {
        "job_image": image(told["image"]), "image_pull_policy": told["imagePullPolicy"], "env_secrets": named,
        "volumes": told["volumes"], "volume_mounts": told["volumeMounts"], "resources": told["resources"],
        "fail_pod_on_run_failure": told["failPodOnRunFailure"], "dagster_home": "/opt/dagster/dagster_home",
        "instance_config_map": "dagster-instance", "postgres_password_secret": values["global"]["postgresqlSecretName"],
        "service_account_name": "dagster",
    }  # fmt: skip


@pytest.mark.parametrize("place", KNOWN)
def test_no_value_is_set_that_the_chart_does_not_know(values: dict[str, Any], place: str) -> None:
    assert set(at(values, place)) <= set(KNOWN[place].split())


def test_dagster_takes_the_instance_that_the_values_describe(values: dict[str, Any]) -> None:
    judged = validate_config(dagster_instance_config_schema(), instance(values))
    assert judged.success, [error.message for error in judged.errors or ()]
    queue = snake(at(values, "dagsterDaemon.runCoordinator.config.queuedRunCoordinator"))
    assert process_config(QueuedRunCoordinator.config_type(), queue).success


def test_an_instance_that_dagster_does_not_know_is_refused(values: dict[str, Any]) -> None:
    broken = instance(values)
    broken["concurrency"]["pools"]["granularity_of"] = "op"
    assert not validate_config(dagster_instance_config_schema(), broken).success


def test_runs_are_limited_by_the_same_tags_and_pools_as_without_kubernetes(values: dict[str, Any]) -> None:
    ours = yaml.safe_load((ROOT / "dagster.yaml").read_text())["concurrency"]
    theirs = instance(values)["concurrency"]
    assert theirs["pools"] == ours["pools"]
    of = [[(each["key"], each.get("value")) for each in at["runs"]["tag_concurrency_limits"]] for at in (ours, theirs)]
    assert sorted(of[0], key=str) == sorted(of[1], key=str)
    most = {each["value"]: each["limit"] for each in theirs["runs"]["tag_concurrency_limits"] if "lane" in each["key"]}
    assert sum(most.values()) < theirs["runs"]["max_concurrent_runs"]  # a slot is left for deliveries


def test_a_runs_pod_has_our_image_secrets_volume_and_limits(values: dict[str, Any]) -> None:
    told = launcher(values)
    judged = process_config(K8sRunLauncher.config_type(), told)
    assert judged.success, [error.message for error in judged.errors or ()]
    config = DagsterK8sJobConfig(**{name: told[name] for name in told if name not in ("fail_pod_on_run_failure",)})
    job = construct_dagster_k8s_job(config, args=["dagster", "api", "execute_run"], job_name="a-run")
    pod = job.spec.template.spec
    (run,) = pod.containers
    large = at(values, "runLauncher.config.k8sRunLauncher.resources")
    assert run.image == "leadfactory:0.1.0"
    assert (run.resources.requests, run.resources.limits) == (large["requests"], large["limits"])
    assert "leadfactory-env" in [each.secret_ref.name for each in run.env_from if each.secret_ref]
    assert "/var/lib/leadfactory" in [each.mount_path for each in run.volume_mounts]
    assert "leadfactory-home" in [
        each.persistent_volume_claim.claim_name for each in pod.volumes if each.persistent_volume_claim
    ]


def test_code_locations_are_served_as_the_workspace_names_them(values: dict[str, Any]) -> None:
    from dagster._cli.code_server import start_command

    wanted = {
        each["python_module"]["location_name"]: each["python_module"]["module_name"]
        for each in yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    }
    found = {}
    for each in at(values, "dagster-user-deployments")["deployments"]:
        assert set(each) <= set(OF_A_DEPLOYMENT)
        with click.Context(start_command) as context:
            start_command.parse_args(context, [*each["codeServerArgs"], "--port", str(each["port"])])
        assert context.params["location_name"] == each["name"]
        found[each["name"]] = context.params["module_name"]
        container = {
            "name": each["name"], "image": image(each["image"]), "env": each["env"], "volumeMounts": each["volumeMounts"],
            "resources": each["resources"],
        }  # fmt: skip
        model(client.V1PodSpec, {"containers": [container], "volumes": each["volumes"]})
    assert found == wanted


def model(kind: type[Any], told: dict[str, Any]) -> Any:
    """The object by Kubernetes' own model; an unknown or missing field raises."""
    return k8s_model_from_dict(kind, k8s_snake_case_dict(kind, told))


def objects() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "deploy" / "helm" / "edge.yaml").read_text()))


@pytest.mark.parametrize("told", objects(), ids=lambda told: f"{told['kind']} {told['metadata']['name']}")
def test_what_stands_beside_the_chart_is_what_kubernetes_knows(told: dict[str, Any]) -> None:
    assert model(KINDS[told["kind"]], told).metadata.name == told["metadata"]["name"]


def test_an_object_with_a_field_that_kubernetes_does_not_know_is_refused() -> None:
    (edge,) = [told for told in objects() if told["kind"] == "Deployment"]
    edge["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(Exception, match="readynessProbe"):
        model(client.V1Deployment, edge)


def test_every_pod_runs_the_image_of_one_version(values: dict[str, Any]) -> None:
    images = {image(at(values, place)["image"]) for place in ("dagsterWebserver", "dagsterDaemon")}
    images |= {image(at(values, "runLauncher.config.k8sRunLauncher")["image"])}
    images |= {image(each["image"]) for each in at(values, "dagster-user-deployments")["deployments"]}
    for told in objects():
        images |= {each["image"] for each in told["spec"].get("template", {}).get("spec", {}).get("containers", ())}
    assert len(images) == 1
