"""`leadfactory doctor`: every dependency, one line each, with the remedy. Changes nothing and starts nothing."""

from __future__ import annotations

import ctypes.util
import dataclasses
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import typer

from cli import processes, stack
from cli.output import as_json, console, paint
from leadfactory.settings import SANDBOX_KEYS, Settings, settings

MIN_FREE_SHARE = 0.10  # of the disk; a night does not start below it
MIN_MEMORY_GIB = 2


@dataclasses.dataclass(frozen=True)
class Finding:
    """One dependency: ``state`` is ok, warning or broken; ``remedy`` is what to type or set."""

    name: str
    state: str
    told: str
    remedy: str = ""


def run(*, json: bool, env_file: Path | None = None) -> None:
    """Looks at everything; exit code 1 when anything is broken. With ``env_file`` at nothing but that file."""
    if env_file is not None:
        from cli import env_file as files

        show(files.findings(env_file), json=json)
        return
    config = settings()
    show([*(check(config) for check in CHECKS), *_others(config)], json=json)


def _others(config: Settings) -> list[Finding]:
    """What `system-check`, `health-check` and `verify-integrations` say and the lines above do not; nothing is started for it."""
    from cli import health, integrations, system_check

    told = {"schema", "disk"}
    found = [one for one in system_check.findings(config) if one.name not in told]
    if stack.find_dagster(config) is None and not stack.answers(f"{health.edge_url(config)}/health"):
        found.append(Finding("processes", "ok", "none runs; `leadfactory dev` starts them"))
    else:
        found += [dataclasses.replace(one, name=f"{one.name} answers") for one in health.findings(config)]
    if config.uses_sandbox and not stack.answers(f"{config.sandbox_url}/_health"):
        return [*found, Finding("integrations", "ok", "not asked: the sandbox does not run")]
    if config.database_url is None and not embedded_runs(config):
        return [*found, Finding("integrations", "ok", "not asked: calls need the database, which is down")]
    return found + integrations.findings()


def embedded_runs(config: Settings) -> bool:
    """Whether this home's own server runs."""
    from leadfactory import embedded

    return embedded.is_running(config.home)


def show(findings: list[Finding], *, json: bool) -> None:
    """Prints findings, one line each; exit code 1 when anything is broken."""
    if json:
        as_json([dataclasses.asdict(each) for each in findings])
    else:
        marks = {"ok": "green", "warning": "yellow", "broken": "red"}
        for each in findings:
            told, remedy = f"{each.name:<18} {each.told}", f"→  {each.remedy}" if each.remedy else ""
            fits = len(told) + len(remedy) + 11 <= console.width
            console.print(
                paint(marks[each.state], f"{each.state:<7}"), told + (f"   {remedy}" if remedy and fits else "")
            )
            if remedy and not fits:
                console.print(f"        {remedy}")
    if any(each.state == "broken" for each in findings):
        raise typer.Exit(1)


def _python(config: Settings) -> Finding:
    return Finding("Python", "ok", ".".join(map(str, sys.version_info[:3])))


def _pango(config: Settings) -> Finding:
    if ctypes.util.find_library("pango-1.0") and ctypes.util.find_library("pangoft2-1.0"):
        return Finding("Pango", "ok", "found (the reports' PDF needs it)")
    return Finding(
        "Pango",
        "warning",
        "not found: reports are made as HTML only",
        "apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
    )


def _postgres(config: Settings) -> Finding:
    from leadfactory import embedded
    from leadfactory.database import Database, DatabaseUnavailable

    if config.database_url is not None:
        try:
            db = Database.from_settings(config)
            with db.begin() as tx:
                version = tx.exec_driver_sql("SHOW server_version").scalar()
        except DatabaseUnavailable as error:
            return Finding("Postgres", "broken", str(error), "start the server or correct LEADFACTORY_DATABASE_URL")
        return Finding("Postgres", "ok", f"{version} at {db.url.host}:{db.url.port}")
    if embedded.is_running(config.home):
        server = embedded.ensure_running(config.home)
        return Finding("Postgres", "ok", f"embedded, on {server.host}:{server.port}")
    return Finding("Postgres", "ok", "embedded, not running; `make dev` and every command that needs it starts it")


def _migrations(config: Settings) -> Finding:
    from leadfactory import embedded, migrate

    if config.database_url is None and not embedded.is_running(config.home):
        return Finding("schema", "ok", "not looked at while the embedded server is down; start-up migrates it")
    pending = migrate.pending(config)
    if pending:
        return Finding("schema", "broken", f"{len(pending)} migrations behind", ".venv/bin/alembic upgrade head")
    return Finding("schema", "ok", "at head")


def _vendors(config: Settings) -> Finding:
    if config.uses_sandbox:
        up = stack.answers(f"{config.sandbox_url}/_health")
        told = f"sandbox at {config.sandbox_url} ({'answers' if up else 'not running; `make dev` starts it'})"
        return Finding("vendors", "ok", told)
    missing = [
        str(Settings.model_fields[name].validation_alias)
        for name in SANDBOX_KEYS
        if not getattr(config, name).get_secret_value()
    ]
    if missing:
        return Finding(
            "vendors",
            "broken",
            f"live, without {', '.join(missing)}",
            "set them, or unset all vendor keys to use the sandbox",
        )
    return Finding("vendors", "ok", "live; `leadfactory verify-integrations` asks each")


def _dagster(config: Settings) -> Finding:
    api = stack.find_dagster(config)
    if api is not None:
        return Finding("Dagster", "ok", f"answers on {api.url}")
    if not processes.port_is_free(stack.WEB_PORT):
        return Finding(
            "Dagster", "warning", f"port {stack.WEB_PORT} is taken by another program", "stop it before `make dev`"
        )
    return Finding("Dagster", "ok", "not running; `make dev` starts it")


def _disk(config: Settings) -> Finding:
    folder = next(p for p in (config.home, *config.home.parents) if p.exists())
    usage = shutil.disk_usage(folder)
    told = f"{usage.free / 2**30:.1f} GiB free at {folder}"
    if usage.free / usage.total < MIN_FREE_SHARE:
        return Finding("disk", "broken", told, "free some space: a night does not start below 10 %")
    return Finding("disk", "ok", told)


def _memory(config: Settings) -> Finding:
    import psutil

    free = psutil.virtual_memory().available / 2**30
    state = "ok" if free >= MIN_MEMORY_GIB else "warning"
    return Finding(
        "memory",
        state,
        f"{free:.1f} GiB available",
        "" if state == "ok" else "close something: a night takes about 2 GiB",
    )


def _clock(config: Settings) -> Finding:
    clock = config.clock
    if clock.is_real:
        return Finding("clock", "ok", "real time")
    return Finding(
        "clock", "warning", f"LEADFACTORY_CLOCK says {clock.now():%Y-%m-%d %H:%M} UTC", "unset it for real time"
    )


def _keys(config: Settings) -> Finding:
    from leadfactory.settings import DEVELOPMENT_SIGNING_KEY, DEVELOPMENT_SUPPRESSION_KEY

    default = config.suppression_key.get_secret_value() == DEVELOPMENT_SUPPRESSION_KEY
    default = default or config.signing_keys.get_secret_value() == DEVELOPMENT_SIGNING_KEY
    if default:
        return Finding(
            "keys",
            "warning",
            "development defaults",
            "set LEADFACTORY_SUPPRESSION_KEY and LEADFACTORY_SIGNING_KEYS before production",
        )
    return Finding("keys", "ok", "own suppression and signing keys")


def _contacts(config: Settings) -> Finding:
    from leadfactory.monitoring import contacts

    why = contacts.problem(config.contacts_file)
    if why is None:
        return Finding("contacts", "ok", "everybody whom an alert calls can be reached")
    try:
        left = len(contacts.contacts(config.contacts_file).placeholders)
    except ValueError:
        return Finding("contacts", "broken", why, "mend the file")
    if config.alert_webhook_url.get_secret_value() or config.alert_smtp_url.get_secret_value():
        return Finding("contacts", "warning", f"{left} placeholders", why)
    return Finding("contacts", "warning", f"{left} placeholders, and no channel: alerts stay in the log",
                   f"{why}; set LEADFACTORY_ALERT_WEBHOOK_URL or LEADFACTORY_ALERT_SMTP_URL")  # fmt: skip


def _warehouse(config: Settings) -> Finding:
    if config.warehouse.is_file():
        return Finding("warehouse", "ok", f"{config.warehouse} ({config.warehouse.stat().st_size / 2**20:.1f} MiB)")
    return Finding("warehouse", "warning", "no marts published yet", "make demo")


CHECKS: tuple[Callable[[Settings], Finding], ...] = (
    _python,
    _pango,
    _postgres,
    _migrations,
    _dagster,
    _vendors,
    _disk,
    _memory,
    _clock,
    _keys,
    _contacts,
    _warehouse,
)
