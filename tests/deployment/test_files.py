"""The deployment's files are valid by their own schemas and linters, and name only what is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from cli import production
from cli.main import app
from leadfactory.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.production.yml"
BIN = Path(sys.executable).parent
OWN = "leadfactory"  # what the images of our own services begin with


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


def ours(compose: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in compose["services"].items() if OWN in each["image"]}


def test_the_compose_file_keeps_to_its_specification() -> None:
    judged = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_the_dockerfile_has_nothing_that_hadolint_minds() -> None:
    judged = subprocess.run(
        [BIN / "hadolint", ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout


def test_every_process_of_the_design_is_a_service(compose: dict[str, Any]) -> None:
    wanted = {"postgres", "migrate", "code-factory", "code-marts", "webserver", "viewer", "daemon", "edge", "prometheus", "alertmanager",
              "postgres-exporter", "grafana", "proxy", "redis", "worker",
              "escalating", "wal-archive"}  # fmt: skip
    assert wanted <= set(compose["services"])


def test_what_runs_for_long_is_watched_limited_and_started_again(compose: dict[str, Any]) -> None:
    once = {"certificate", "migrate"}
    distroless = {"postgres-exporter", "worker", "wal-archive"}  # no shell to ask in; judged by launcher and alerts
    for name, each in compose["services"].items():
        if name in once:
            assert each["restart"] == "no"
            continue
        assert each["restart"] == "unless-stopped", name
        assert each["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert ("healthcheck" in each) != (name in distroless), name


def test_our_containers_run_without_rights_and_on_a_file_system_that_they_cannot_write(compose: dict[str, Any]) -> None:
    for name, each in ours(compose).items():
        assert (each["read_only"], each["cap_drop"]) == (True, ["ALL"]), name
    assert re.search(r"^USER 10001:10001$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)


def test_an_image_is_named_by_its_version_and_never_the_latest(compose: dict[str, Any]) -> None:
    for name, each in compose["services"].items():
        _, _, tag = each["image"].rpartition(":")
        assert tag not in {"", "latest"}, name
        assert "LEADFACTORY_VERSION" in each["image"] if OWN in each["image"] else re.search(r"\d", tag), name


def test_every_command_of_our_containers_is_one_of_ours(compose: dict[str, Any]) -> None:
    for name, each in ours(compose).items():
        asked = CliRunner().invoke(app, [each["command"][0], "--help"])
        assert asked.exit_code == 0, name
        if each["command"][0] == "serve":
            assert each["command"][1] in production.PROCESSES, name


def test_every_file_that_a_container_gets_is_in_the_repository(compose: dict[str, Any]) -> None:
    for name, each in compose["services"].items():
        for volume in each.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"


def test_the_code_locations_are_those_of_the_workspace_of_development(compose: dict[str, Any]) -> None:
    here = {each["python_module"]["location_name"]: each["python_module"]["module_name"]
            for each in yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]}  # fmt: skip
    there = yaml.safe_load((ROOT / "deploy" / "workspace.yaml").read_text())["load_from"]
    for each in there:
        server = each["grpc_server"]
        assert server["host"] in compose["services"]
        assert production.GRPC_PORTS[server["host"]] == server["port"]
        assert production.MODULES[server["host"]] == here[server["location_name"]]


def test_only_the_proxy_is_reached_from_other_machines(compose: dict[str, Any]) -> None:
    for name, each in compose["services"].items():
        for port in each.get("ports", ()):
            assert name == "proxy" or port.startswith("127.0.0.1:"), name
    assert compose["networks"]["inside"]["internal"] is True
    assert compose["services"]["postgres"]["networks"] == ["inside"]


def test_no_secret_is_written_into_a_file_of_the_deployment() -> None:
    for path in (COMPOSE, *(ROOT / "deploy").rglob("*")):
        if path.is_file():
            assert not re.search(
                r"(?i)(password|secret|api_key|token)\s*[:=]\s*[\"']?[A-Za-z0-9+/_-]{16,}", path.read_text()
            ), path


def test_every_variable_that_the_compose_file_asks_for_is_made_or_named() -> None:
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", COMPOSE.read_text())) | set(
        re.findall(r"environment: ([A-Z_]+)\}", COMPOSE.read_text())
    )
    given = {
        name
        for values, wanted in production.production_values("factory.example").values()
        for name in (*values, *wanted)
    }
    assert asked <= given


@pytest.mark.parametrize("name", ["values.yaml", "edge.yaml"])
def test_the_kubernetes_files_run_our_image_by_its_commands(name: str) -> None:
    text = (ROOT / "deploy" / "helm" / name).read_text()
    assert list(yaml.safe_load_all(text))
    for line in re.findall(r"args: \[(.*)\]", text):
        words = shlex.split(line.replace(",", " "))
        assert CliRunner().invoke(app, [words[0], "--help"]).exit_code == 0


# -- what init-production writes ------------------------------------------------------------------------------------------


def test_production_starts_with_what_init_production_wrote_and_the_vendors_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = CliRunner().invoke(app, ["init-production", "--domain", "factory.example", "--folder", str(tmp_path)])
    assert written.exit_code == 0, written.output
    values = dict(
        line.split("=", 1)
        for line in (tmp_path / ".env.production").read_text().splitlines()
        if "=" in line and line[0] != "#"
    )
    seller = yaml.safe_load((ROOT / "config" / "seller.yaml").read_text()) | {"invented": False}
    (tmp_path / "seller.yaml").write_text(yaml.safe_dump(seller))
    for name, value in values.items():
        monkeypatch.setenv(name, value or "a-real-key")
    monkeypatch.setenv("LEADFACTORY_SELLER", str(tmp_path / "seller.yaml"))
    people = (ROOT / "config" / "contacts.yaml").read_text().replace("[Contact]", "ana@leadfactory.example")
    (tmp_path / "contacts.yaml").write_text(people)
    monkeypatch.setenv("LEADFACTORY_CONTACTS", str(tmp_path / "contacts.yaml"))
    started = Settings()
    assert (started.env, started.public_url, started.uses_sandbox) == ("production", "https://factory.example", False)


def test_two_installations_share_no_key() -> None:
    one, two = (production.production_values("factory.example") for _ in range(2))
    public = {"LEADFACTORY_ENV", "LEADFACTORY_PUBLIC_URL", "LEADFACTORY_TRUSTED_PROXIES", "LEADFACTORY_DOMAIN", "OPERATORS_USER", "VIEWERS_USER"}  # fmt: skip
    for name, (values, _) in one.items():
        same = {key for key, value in values.items() if two[name][0][key] == value}
        assert same <= public


def test_keys_that_signed_letters_are_never_overwritten(tmp_path: Path) -> None:
    arguments = ["init-production", "--domain", "factory.example", "--folder", str(tmp_path)]
    CliRunner().invoke(app, arguments)
    before = (tmp_path / ".env.production").read_text()
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code != 0
    assert (tmp_path / ".env.production").read_text() == before
    assert (tmp_path / ".env.production").stat().st_mode & 0o077 == 0


def test_the_passwords_in_the_urls_are_those_that_the_roles_get() -> None:
    made = production.production_values("factory.example")
    roles = yaml.safe_load(made[".env.admin"][0]["LEADFACTORY_ROLE_PASSWORDS"])
    urls = made[".env.production"][0]
    assert f"lf_app:{roles['lf_app']}@" in urls["LEADFACTORY_DATABASE_URL"]
    assert f"lf_dagster:{roles['lf_dagster']}@" in urls["DAGSTER_DATABASE_URL"]
    assert all("sslmode=require" in urls[name] for name in ("LEADFACTORY_DATABASE_URL", "DAGSTER_DATABASE_URL"))


def test_a_certificate_is_made_once_and_again_for_another_host(tmp_path: Path) -> None:
    def made(host: str) -> bool:
        told = CliRunner().invoke(app, ["certificate", str(tmp_path), "--host", host, "--json"])
        found: bool = yaml.safe_load(told.stdout)["made"]
        return found

    assert (made("postgres"), made("postgres"), made("db.internal")) == (True, False, True)
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "within"),
    [
        (["edge"], ["-m edge --host 0.0.0.0"]),
        (["webserver", "--read-only", "--path-prefix", "/dagster-viewer"], ["--read-only", "--path-prefix /dagster-viewer", "deploy/workspace.yaml"]),
        (["daemon"], ["dagster-daemon run -w"]),
        (["code-factory"], ["api grpc", "-p 4000", "-m leadfactory_assets.definitions"]),
        (["code-marts"], ["-p 4001", "-m leadfactory_assets.marts"]),
        (["worker"], ["celery -A resources.celery_worker worker", "--max-tasks-per-child 1"]),
    ],
)  # fmt: skip
def test_a_process_can_be_looked_at_before_it_is_started(arguments: list[str], within: list[str]) -> None:
    told = CliRunner().invoke(app, ["serve", *arguments, "--dry-run"])
    assert told.exit_code == 0
    assert [each for each in within if each not in told.stdout] == []


@pytest.mark.parametrize("arguments", [["prefect"], ["daemon", "--read-only"]])
def test_a_process_that_is_none_is_refused(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["serve", *arguments]).exit_code != 0


def test_the_launcher_of_the_instance_is_the_settings(tmp_path: Path) -> None:
    from resources.dagster_home import instance_yaml

    broker = "redis://127.0.0.1:1/0"
    stock = yaml.safe_load(instance_yaml(Settings(env="test", home=tmp_path)))
    spread = yaml.safe_load(
        instance_yaml(Settings(env="test", home=tmp_path, run_launcher="celery", broker_url=broker))
    )
    assert stock["run_launcher"]["class"] == "LeadFactoryRunLauncher"
    assert spread["run_launcher"] == {"module": "resources.celery_runs", "class": "LeadFactoryCeleryLauncher"}
    assert broker not in yaml.safe_dump(spread)
    assert {name: stock[name] for name in stock if name not in {"run_launcher", "run_monitoring"}} == {
        name: spread[name] for name in spread if name not in {"run_launcher", "run_monitoring"}
    }
