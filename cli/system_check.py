"""`leadfactory system-check`: is the whole sound. Starts nothing and changes nothing; `health-check` asks who answers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import doctor, stack
from cli.doctor import Finding
from leadfactory.settings import Settings, settings

if TYPE_CHECKING:
    import sqlalchemy as sa

LATE_BACKUP = dt.timedelta(hours=26)  # nightly, with two hours of grace
MOST_MEMORY = 0.85  # of the machine's; a night warns above it
CLOCK_SLACK = dt.timedelta(seconds=2)
INVARIANTS_WITHIN_MS = 5000
Told = tuple[str, str, str]


def register(app: typer.Typer) -> None:
    """Adds the command to ``app``."""
    app.command(
        "system-check",
        epilog="Examples: leadfactory system-check   ·   leadfactory system-check --json > /tmp/health.json",
    )(system_check)


def system_check(json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False) -> None:
    """Check migrations, configuration, schedules, pools, disk, memory, clock, backups, pauses and invariants; exit 1 when broken."""
    doctor.show(findings(settings()), json=json)


def findings(config: Settings) -> list[Finding]:
    """Every check's word, one after the other; what cannot be asked says so and is no fault."""
    found = [doctor._migrations(config), _finding("configuration", _configuration)]
    found += [_finding(name, check, stack.find_dagster(config)) for name, check in DAGSTER.items()]
    found += [doctor._disk(config), _finding("memory in use", _memory)]
    found += _in_the_database(config)
    return found


def _finding(name: str, check: Callable[..., Told], *given: Any) -> Finding:
    try:
        return Finding(name, *check(*given))
    except Exception as error:  # noqa: BLE001 - a check that fails is a finding, not the end of the others
        return Finding(name, "broken", f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}")


def _configuration() -> Told:
    from leadfactory import reloading

    checked = reloading.check()
    if checked.problems:
        return "broken", "; ".join(checked.problems), "mend the file that is named, then leadfactory reload-config"
    return "ok", f"{len(checked.files)} files are right", ""


def _unseen() -> Told:
    """Nobody answers for Dagster. On a desk it need not run; in production nobody then knows whether a night would start."""
    told = "not looked at: no Dagster webserver runs"
    if settings().env != "production":
        return "ok", told, ""
    return "broken", told, "leadfactory health-check; then start it (compose: up -d webserver)"


def _schedules(api: Any) -> Told:
    if api is None:
        return _unseen()
    data = api.ask(
        """{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { ... on RepositoryLocation {
             repositories { schedules { name scheduleState { status } } sensors { name sensorState { status } } } } } } } } }"""
    )
    states = {}
    for entry in data["workspaceOrError"]["locationEntries"]:
        for repository in (entry["locationOrLoadError"] or {}).get("repositories", []):
            states |= {each["name"]: each["scheduleState"]["status"] for each in repository["schedules"]}
            states |= {each["name"]: each["sensorState"]["status"] for each in repository["sensors"]}
    off = sorted(name for name, status in states.items() if status != "RUNNING")
    if not off:
        return "ok", f"all {len(states)} schedules and sensors are on", ""
    told = f"{len(off)} of {len(states)} are off: {', '.join(off)}"
    if settings().env != "production":
        return "ok", f"{told} (outside production the nightly ones are)", ""
    return "warning", told, "turn them on in the UI under Automation"


def _pools(api: Any) -> Told:
    from cli import pools

    if api is None:
        return _unseen()
    want, have = pools.wanted(), pools.present()
    wrong = [
        f"{name} {have.get(name, 'default')} instead of {limit}"
        for name, limit in want.items()
        if have.get(name) != limit
    ]
    if wrong:
        return "warning", "; ".join(wrong), "leadfactory pools apply"
    return "ok", f"{len(want)} pools have their limits", ""


def _memory() -> Told:
    import psutil

    used = psutil.virtual_memory().percent / 100
    told = f"{used:.0%} of the machine's memory is in use"
    if used > MOST_MEMORY:
        return "warning", told, f"close something: a night is slow above {MOST_MEMORY:.0%}"
    return "ok", told, ""


def _in_the_database(config: Settings) -> list[Finding]:
    from leadfactory import embedded
    from leadfactory.database import Database, DatabaseUnavailable

    if config.database_url is None and not embedded.is_running(config.home):
        return [
            Finding(
                "database", "ok", "not looked at: the embedded server is down; every command that needs it starts it"
            )
        ]
    db = Database.from_settings(config)
    found = []
    try:
        for name, check in DATABASE.items():
            with db.begin() as tx:
                tx.exec_driver_sql("SET TRANSACTION READ ONLY")
                found.append(_finding(name, check, tx))
                tx.rollback()
    except DatabaseUnavailable as error:
        found.append(Finding("database", "broken", str(error), "leadfactory db status"))
    finally:
        db.dispose()
    return found


def _clock(tx: sa.Connection) -> Told:
    import sqlalchemy as sa

    now = tx.scalar(sa.select(sa.func.clock_timestamp()))
    apart = abs(dt.datetime.now(dt.UTC) - (now or dt.datetime.now(dt.UTC)))
    told = f"this machine and the database are {apart.total_seconds():.2f} s apart"
    if apart > CLOCK_SLACK:
        return "warning", told, "let NTP set both clocks: leases and rates go by the database's"
    if not settings().clock.is_real:
        return "warning", f"{told}; LEADFACTORY_CLOCK is set", "unset it for real time"
    return "ok", told, ""


def _backup(tx: sa.Connection) -> Told:
    import sqlalchemy as sa

    if tx.scalar(sa.text("SELECT to_regclass('leadfactory.backups')")) is None:
        return "warning", "this version makes no backups", "use the database server's own"
    last = tx.scalar(sa.text("SELECT max(finished_at) FROM backups WHERE ok AND kind <> 'emergency'"))
    if last is None:
        return "warning", "no backup was made yet", "leadfactory backup"
    age = dt.datetime.now(dt.UTC) - last
    told = f"the last good one ended {age.total_seconds() / 3600:.1f} h ago"
    return (
        ("broken", told, "leadfactory backup, and see why the nightly one failed")
        if age > LATE_BACKUP
        else ("ok", told, "")
    )


def _paused(tx: sa.Connection) -> Told:
    from leadfactory import pauses

    told = pauses.banner(tx)
    return (
        ("warning", told, "leadfactory resume …, when the cause is gone")
        if told
        else ("ok", "nothing is held back", "")
    )


def _invariants(tx: sa.Connection) -> Told:
    from leadfactory.d09_delivery.policy import policy
    from leadfactory.quality import invariants

    tx.exec_driver_sql(f"SET LOCAL statement_timeout = {INVARIANTS_WITHIN_MS}")
    found = invariants.verify(tx, now=settings().clock.now(), cooldown_days=policy().recontact_cooldown_days)
    broken = [one.name for one in found if one.broken]
    if broken:
        return (
            "broken",
            f"{len(broken)} of {len(found)} do not hold: {', '.join(broken)}",
            "leadfactory data-corruption-report",
        )
    return "ok", f"all {len(found)} hold", ""


DAGSTER: dict[str, Callable[[Any], Told]] = {"schedules": _schedules, "pools": _pools}
DATABASE: dict[str, Callable[[Any], Told]] = {
    "clocks": _clock, "backup": _backup, "pauses": _paused, "invariants": _invariants,
}  # fmt: skip
