"""The processes of one machine, up and down: embedded Postgres, vendor sandbox, Dagster."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from cli import processes
from cli.dagster_api import DagsterApi
from cli.output import CommandError, errors
from leadfactory.settings import ROOT, SANDBOX_PORT, Settings, settings

WEB_PORT, EDGE_PORT, ESCALATING_PORT = 3333, 8000, 9095
SANDBOX_STRIPE_SECRET = "whsec_development"
Say = Callable[[str], None]


def configure(**environment: str) -> Settings:
    """Sets variables for this process and its children, then re-reads the settings; a set variable wins."""
    for name, value in environment.items():
        os.environ.setdefault(name, value)
    settings.cache_clear()
    return settings()


@contextlib.contextmanager
def variables(without: Callable[[str], bool] = lambda name: False, **environment: str) -> Iterator[None]:
    """This process has these variables while the block runs, whatever it had, and none that ``without`` names."""
    before = dict(os.environ)
    for name in filter(without, before):
        del os.environ[name]
    os.environ |= environment
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


@contextlib.contextmanager
def holding_home(home: Path) -> Iterator[None]:
    """One stack a home.

    Raises:
        CommandError: when another one holds it, or the folder cannot be written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "stack.lock").open("a+")
    except OSError as error:
        raise CommandError(
            f"LEADFACTORY_HOME {str(home)!r} cannot be written ({error.strerror}): free space or choose another"
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise CommandError(
                f"another LeadFactory (pid {lock.read().strip() or 'unknown'}) runs on {home}: stop it (Ctrl-C in its terminal), "
                "or set LEADFACTORY_HOME to another folder"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        left = processes.end_orphans(home)
        if left:
            errors.print(f"ended what a stack that was killed had left running: {', '.join(left)}")
        yield


@contextlib.contextmanager
def database(say: Say) -> Iterator[None]:
    """The system of record, migrated. An embedded server that we started is stopped again."""
    from leadfactory import embedded, migrate

    config = settings()
    started = False
    if config.database_url is None:
        started = not embedded.is_running(config.home)
        server = embedded.ensure_running(config.home)
        say(f"Postgres {'started' if started else 'found'} on {server.host}:{server.port}")
    applied = migrate.upgrade(config)
    say(f"schema at head ({len(applied)} migrations applied)" if applied else "schema at head")
    try:
        yield
    finally:
        if started:
            embedded.stop(config.home)


@contextlib.contextmanager
def sandbox(say: Say, *, any_port: bool) -> Iterator[None]:
    """The vendor sandbox, when the settings point at it; nothing otherwise."""
    config = settings()
    if not config.uses_sandbox:
        say("vendors: live, as the base URLs say")
        yield
        return
    if "LEADFACTORY_SANDBOX_URL" not in os.environ:
        port = processes.free_port(SANDBOX_PORT) if any_port else SANDBOX_PORT
        os.environ["LEADFACTORY_SANDBOX_URL"] = f"http://127.0.0.1:{port}"
        settings.cache_clear()
        config = settings()
    address = config.sandbox_url.removeprefix("http://")
    host, _, port_text = address.partition(":")
    if not processes.port_is_free(int(port_text)):
        raise CommandError(
            f"port {port_text} (vendor sandbox) is taken: stop what listens there, or set LEADFACTORY_SANDBOX_URL"
        )
    argv = [sys.executable, "-m", "sandbox", "--host", host, "--port", port_text]
    argv += ["--ca-file", str(config.website_ca_file or config.home / "sandbox" / "ca.pem")]
    argv += ["--truth-file", str(config.home / "sandbox" / "truth.jsonl")]
    if config.clock_spec:
        argv += ["--clock", config.clock_spec]
    if os.environ.get("LEADFACTORY_SANDBOX_FAULTS"):
        argv += ["--faults", os.environ["LEADFACTORY_SANDBOX_FAULTS"]]
    (config.home / "sandbox").mkdir(parents=True, exist_ok=True)
    process = processes.start(
        "vendor sandbox",
        argv,
        env=dict(os.environ),
        log=config.home / "logs" / "sandbox.log",
        cwd=ROOT,
        service="sandbox",
    )
    with processes.stopping([process]):
        processes.wait_until(process, lambda: answers(f"{config.sandbox_url}/_health"), within_s=30)
        say(f"vendor sandbox on {config.sandbox_url}")
        yield


@contextlib.contextmanager
def edge(say: Say, *, any_port: bool) -> Iterator[None]:
    """The process that faces the world. With the sandbox, its webhooks are verified by its own keys and posted here.

    On another port than usual, links in letters lead to that one, unless a public URL is set.
    """
    port = processes.free_port(EDGE_PORT) if any_port else EDGE_PORT
    if not processes.port_is_free(port):
        raise CommandError(f"port {port} (edge) is taken: stop what listens there and try again")
    config, url = settings(), f"http://127.0.0.1:{port}"
    if port != EDGE_PORT:
        config = configure(LEADFACTORY_PUBLIC_URL=url)
    env = dict(os.environ)
    if config.uses_sandbox:
        env |= sandbox_keys(config)
    argv = [sys.executable, "-m", "edge", "--port", str(port)]
    process = processes.start("edge", argv, env=env, log=config.home / "logs" / "edge.log", cwd=ROOT, service="edge")
    with processes.stopping([process]):
        processes.wait_until(process, lambda: answers(f"{url}/health"), within_s=60)
        if config.uses_sandbox:
            options = {f"{vendor}_webhook_url": f"{url}/webhooks/{vendor}" for vendor in ("sendgrid", "stripe")}
            options |= {
                "stripe_webhook_secret": SANDBOX_STRIPE_SECRET,
                "sendgrid_inbound_url": f"{url}/webhooks/inbound",
            }
            httpx.post(f"{config.sandbox_url}/_admin/options", json=options, timeout=5).raise_for_status()
        say(f"edge on {url}")
        yield


def sandbox_keys(config: Settings) -> dict[str, str]:
    """The keys that verify the sandbox's webhooks, unless others are set."""
    webhooks = f"{config.sendgrid_base_url}/v3/user/webhooks"
    key = {"Authorization": f"Bearer {config.sendgrid_api_key.get_secret_value()}"}
    events = httpx.get(f"{webhooks}/event/settings/signed/sandbox-event-webhook", headers=key, timeout=5)
    policies = httpx.get(f"{webhooks}/security/policies", headers=key, timeout=5).raise_for_status().json()["policies"]
    return {
        "SENDGRID_WEBHOOK_PUBLIC_KEY": config.sendgrid_webhook_public_key
        or events.raise_for_status().json()["public_key"],
        "SENDGRID_INBOUND_PUBLIC_KEY": config.sendgrid_inbound_public_key or policies[0]["signature"]["public_key"],
        "STRIPE_WEBHOOK_SECRET": config.stripe_webhook_secret.get_secret_value() or SANDBOX_STRIPE_SECRET,
    }


@contextlib.contextmanager
def wal_archive(say: Say) -> Iterator[None]:
    """The archive of the server's WAL, where somebody said where backups go; nothing otherwise."""
    config = settings()
    if config.backup_url is None:
        yield
        return
    argv = [sys.executable, "-m", "cli.main", "wal-archive"]
    process = processes.start("WAL archive", argv, env=dict(os.environ), log=config.home / "logs" / "wal.log", cwd=ROOT)
    with processes.stopping([process]):
        say(f"WAL archive to {config.backup_url}")
        yield


@contextlib.contextmanager
def escalating(say: Say, port: int = ESCALATING_PORT) -> Iterator[None]:
    """The process that tells people of what Alertmanager posts: on this machine too, so that `make dev` alerts as production does."""
    if not processes.port_is_free(port):
        raise CommandError(f"port {port} (who tells people of alerts) is taken: stop what listens there and try again")
    argv = [sys.executable, "-m", "leadfactory.monitoring.escalating", "--port", str(port)]
    log = settings().home / "logs" / "escalating.log"
    process = processes.start("escalating", argv, env=dict(os.environ), log=log, cwd=ROOT, service="escalating")
    with processes.stopping([process]):
        processes.wait_until(process, lambda: answers(f"http://127.0.0.1:{port}/health"), within_s=60)
        say(f"alerts are told from http://127.0.0.1:{port}/alerts")
        yield


@contextlib.contextmanager
def dagster(say: Say, *, any_port: bool) -> Iterator[DagsterApi]:
    """Dagster's webserver, daemon and both code locations, as ``dagster dev`` runs them."""
    from resources.dagster_home import prepare

    config = settings()
    port = processes.free_port(WEB_PORT) if any_port else WEB_PORT
    if not processes.port_is_free(port):
        raise CommandError(f"port {port} (Dagster webserver) is taken: stop what listens there and try again")
    env = dict(os.environ) | prepare(config)
    argv = [str(Path(sys.executable).with_name("dagster")), "dev", "-w", str(ROOT / "workspace.yaml")]
    argv += ["-h", "127.0.0.1", "-p", str(port)]
    process = processes.start(
        "Dagster", argv, env=env, log=config.home / "logs" / "dagster.log", cwd=ROOT, service="dagster"
    )
    with processes.stopping([process]):
        api = DagsterApi(f"http://127.0.0.1:{port}")
        processes.wait_until(process, lambda: answers(f"{api.url}/server_info"), within_s=120)
        _wait_for_locations(api, process)
        apply_pools(api)
        say(f"Dagster on {api.url}")
        address = config.home / "dagster.url"
        address.write_text(api.url)
        try:
            yield api
        finally:
            address.unlink(missing_ok=True)


def apply_pools(api: DagsterApi) -> None:
    """The limits of config/pools.yaml: a new instance knows only the default."""
    from cli import pools

    pools.write(pools.wanted(), api)


def find_dagster(config: Settings) -> DagsterApi | None:
    """The Dagster of ``config``: where LEADFACTORY_WEBSERVER_URL says, or what `make dev` runs on its home. None that does not answer."""
    from leadfactory.monitoring import orchestration

    url = orchestration.address(config)
    return DagsterApi(url) if url is not None and answers(f"{url}/server_info") else None


@contextlib.contextmanager
def factory(say: Say, *, any_port: bool, facing_the_world: bool = False) -> Iterator[DagsterApi]:
    """The whole factory floor on this machine; with ``facing_the_world`` the edge too, so that mail is answered."""
    with (
        holding_home(settings().home),
        database(say),
        sandbox(say, any_port=any_port),
        edge(say, any_port=any_port) if facing_the_world else contextlib.nullcontext(),
        wal_archive(say) if facing_the_world else contextlib.nullcontext(),
        escalating(say) if facing_the_world and not any_port else contextlib.nullcontext(),  # a demo tells nobody
        dagster(say, any_port=any_port) as api,
    ):
        yield api


def _wait_for_locations(api: DagsterApi, process: processes.Process) -> None:
    deadline = time.monotonic() + 120
    locations: dict[str, str] = {}
    while time.monotonic() < deadline:
        locations = api.locations()
        if locations and all(status == "LOADED" for status in locations.values()):
            return
        broken = {n: s for n, s in locations.items() if s not in {"LOADED", "LOADING"}}
        if broken:
            raise CommandError("; ".join(f"code location {name} does not load: {why}" for name, why in broken.items()))
        if not process.alive:
            raise CommandError(f"Dagster ended; the end of {process.log}:\n{process.tail()}")
        time.sleep(0.5)
    raise CommandError(f"the code locations were not loaded within 120 s ({locations}); see {process.log}")


def answers(url: str) -> bool:
    """Whether a GET of ``url`` gives 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
