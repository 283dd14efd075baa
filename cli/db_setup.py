"""`leadfactory db-setup`: databases, roles, schemas, grants and migrations, on the embedded server or on one of yours."""

from __future__ import annotations

import contextlib
import json as json_module
import os
import secrets
from pathlib import Path

import psycopg
import sqlalchemy as sa

from cli.output import CommandError, as_json, console
from leadfactory import migrate, roles
from leadfactory.settings import Settings, settings


def run(*, admin_url: str | None, passwords: Path | None, dry_run: bool, json: bool) -> None:
    """Says what it changed, or with ``dry_run`` would change; a second run changes nothing."""
    config = settings()
    if admin_url is None and config.database_url is None:
        changed, url = _embedded(config, dry_run=dry_run)
    elif admin_url is None:  # somebody else made roles and grants: only the schema is ours
        changed, url = [], config.database_url.get_secret_value() if config.database_url else None
    else:
        if passwords is None:
            raise CommandError(
                "--passwords is missing: name a file that keeps the roles' passwords, for example /etc/leadfactory/roles.json"
            )
        changed, url = _external(admin_url, passwords, dry_run=dry_run)
    if url is not None:
        changed += [f"migration {revision}" for revision in _migrate(url, dry_run=dry_run)]
    if json:
        as_json({"changed": changed, "dry_run": dry_run})
        return
    for line in changed:
        console.print(f"{'would create' if dry_run else 'created'} {line}")
    if not changed:
        console.print("nothing to do: databases, roles, grants and schema are as they should be")
    if admin_url is not None and not dry_run:
        console.print(f"LEADFACTORY_DATABASE_URL is lf_app's on this server; its password is in {passwords}")


def _embedded(config: Settings, *, dry_run: bool) -> tuple[list[str], str | None]:
    from leadfactory import embedded

    exists = embedded.status(config.home).port is not None
    if dry_run and not exists:
        everything = [f"role {name}" for name in roles.LOGINS] + [f"database {name}" for name in roles.DATABASES]
        return ["the embedded server", *everything, f"migration up to {migrate.head()}"], None
    if dry_run and not embedded.is_running(config.home):
        raise CommandError(
            "the embedded server does not run, so nothing is known of it: run db-setup without --dry-run"
        )
    server = embedded.ensure_running(config.home)
    made = [] if exists else ["the embedded server", *(f"role {name}" for name in roles.LOGINS)]
    made += [] if exists else [f"database {name}" for name in roles.DATABASES]
    return made, server.url("owner")


def _external(admin_url: str, path: Path, *, dry_run: bool) -> tuple[list[str], str | None]:
    changed: list[str] = []
    known: dict[str, str] = {}
    try:
        known = json_module.loads(path.read_text())
    except FileNotFoundError:
        changed.append(f"{path} with new passwords")
    except ValueError:
        raise CommandError(f"--passwords={path} is no JSON: correct it, or name a new file") from None
    new = [name for name in roles.LOGINS if name not in known]
    known |= {name: secrets.token_urlsafe(24) for name in new}
    admin = sa.engine.make_url(admin_url).set(drivername="postgresql")
    libpq = admin.render_as_string(hide_password=False)
    try:
        with psycopg.connect(libpq, connect_timeout=5) as looking:
            have = {row[0] for row in looking.execute("SELECT rolname FROM pg_roles")}
            databases = {row[0] for row in looking.execute("SELECT datname FROM pg_database")}
        if dry_run:
            changed += [f"role {name}" for name in roles.LOGINS if name not in have]
            changed += [f"database {name}" for name in roles.DATABASES if name not in databases]
            ready = "leadfactory" in databases
        else:
            if new:  # a complete file may be a secret that is mounted read-only
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
                os.fchmod(descriptor, 0o600)
                with os.fdopen(descriptor, "w") as sink:
                    json_module.dump(known, sink, indent=2)
            else:
                with contextlib.suppress(OSError):  # what is mounted read-only keeps the mode of its mount
                    path.chmod(0o600)
            changed += roles.apply(libpq, known)
            ready = True
    except psycopg.OperationalError as error:
        raise CommandError(
            f"--admin-url: {admin.host}:{admin.port or 5432} does not let us in ({str(error).strip().splitlines()[0]})"
        ) from None
    if dry_run and not ready:
        return [*changed, f"migration up to {migrate.head()}"], None
    owner = admin.set(database="leadfactory")
    if not dry_run:  # the tables are to be lf_owner's
        owner = owner.set(username="lf_owner", password=known["lf_owner"])
    return changed, owner.render_as_string(hide_password=False)


def _migrate(url: str, *, dry_run: bool) -> list[str]:
    if dry_run:
        return migrate.pending_at(url)
    return migrate.upgrade_at(url)
