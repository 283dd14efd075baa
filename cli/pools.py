"""`leadfactory pools`: how many steps at once may hold each of Dagster's pools."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.output import Table, as_json, console

if TYPE_CHECKING:
    from cli.dagster_api import DagsterApi

app = typer.Typer(
    no_args_is_help=True, help="Dagster's pools: their limits as configured and as the instance has them."
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
_SET = "mutation ($key: String!, $limit: Int!) { setConcurrencyLimit(concurrencyKey: $key, limit: $limit) }"
_GET = "{ instance { poolConfig { defaultPoolLimit } concurrencyLimits { concurrencyKey limit } } }"


@app.command("list", epilog="Example: leadfactory pools list --json")
def list_pools(json: Json = False) -> None:
    """Show each pool's configured limit beside the one that Dagster's instance has."""
    _show(wanted(), present(), json=json, applied=None)


@app.command(epilog="Examples: leadfactory pools apply   ·   leadfactory pools apply --dry-run --json")
def apply(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")] = False,
    json: Json = False,
) -> None:
    """Write the limits of config/pools.yaml into Dagster's instance. Can be repeated; running steps are not ended."""
    want, have = wanted(), present()
    changes = {name: limit for name, limit in want.items() if have.get(name) != limit}
    if not dry_run:
        write(changes)
    _show(want, have if dry_run else have | changes, json=json, applied=sorted(changes))


def wanted() -> dict[str, int]:
    """The limits of config/pools.yaml.

    Raises:
        ConfigError: names key and value.
    """
    import pydantic

    from leadfactory import yaml_config

    class File(pydantic.BaseModel, extra="forbid"):
        pools: dict[str, pydantic.PositiveInt]

    return yaml_config.load("pools", File).pools


def present() -> dict[str, int]:
    """The limits that the instance has: of the running webserver, or read from its storage when none runs."""
    api = _api()
    if api is not None:
        limits = api.ask(_GET)["instance"]["concurrencyLimits"]
        return {each["concurrencyKey"]: each["limit"] for each in limits}
    with _instance() as instance:
        store = instance.event_log_storage
        return {each.name: each.limit for each in store.get_pool_limits() if not each.from_default}


def write(changes: dict[str, int], api: DagsterApi | None = None) -> None:
    """Sets limits, through the running webserver or in the instance's storage.

    Raises:
        CommandError: Dagster refuses.
    """
    api = api or _api()
    if api is None:
        with _instance() as instance:
            for name, limit in changes.items():
                instance.event_log_storage.set_concurrency_slots(name, limit)
        return
    for name, limit in changes.items():
        api.ask(_SET, key=name, limit=limit)


def _api() -> DagsterApi | None:
    from cli import stack
    from leadfactory.settings import settings

    return stack.find_dagster(settings())


def _instance() -> Any:
    from dagster import DagsterInstance

    from leadfactory.settings import settings
    from resources.dagster_home import prepare

    os.environ |= prepare(settings())
    return DagsterInstance.get()


def _show(want: dict[str, int], have: dict[str, int], *, json: bool, applied: list[str] | None) -> None:
    names = sorted({*want, *have})
    if json:
        rows = [{"pool": name, "configured": want.get(name), "instance": have.get(name)} for name in names]
        as_json({"pools": rows} | ({} if applied is None else {"changed": applied}))
        return
    table = Table("pool", "configured", "instance")
    for name in names:
        table.add_row(name, str(want.get(name, "–")), str(have.get(name, "default")))
    console.print(table)
    if applied is not None:
        console.print(f"changed: {', '.join(applied) or 'nothing, all were right'}")
