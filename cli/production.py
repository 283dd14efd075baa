"""`leadfactory init-production`, `certificate` and `serve`: what a machine with containers needs, and how each process starts."""

from __future__ import annotations

import datetime as dt
import json as json_module
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import CommandError, as_json, console, paint

if TYPE_CHECKING:
    from cryptography import x509

TLS_DAYS, RENEW_DAYS = (
    825,
    60,
)  # the longest life that common clients accept, and how long before its end it is made anew
WORKSPACE = Path("deploy") / "workspace.yaml"
GRPC_PORTS = {"code-factory": 4000, "code-marts": 4001}
MODULES = {"code-factory": "leadfactory_assets.definitions", "code-marts": "leadfactory_assets.marts"}
PROCESSES = ("edge", "webserver", "daemon", *GRPC_PORTS, "worker", "escalating")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command(
        "init-production",
        epilog="Example: leadfactory init-production --domain factory.your-domain   (then fill in the keys that it names)",
    )(init_production)
    app.command("certificate", epilog="Example: leadfactory certificate /tls --host postgres")(certificate)
    app.command(
        "serve",
        epilog="Examples: leadfactory serve edge   ·   leadfactory serve webserver --read-only   ·   leadfactory serve code-factory",
    )(serve)


def init_production(
    domain: Annotated[
        str, typer.Option(help="The host name that letters' links begin with, for example factory.your-domain.")
    ],
    folder: Annotated[Path, typer.Option(help="Where the two files are written.")] = Path(),
    json: Json = False,
) -> None:
    """Write .env.production (for every process) and .env.admin (for the database, its roles and the proxy) with new keys.

    A file that exists is never changed. What only you can fill in is named.
    """
    if "/" in domain or "." not in domain or domain != domain.strip():
        raise CommandError(f"--domain={domain!r} is no host name: write it as factory.your-domain, without https://")
    made = production_values(domain)
    taken = [folder / name for name in made if (folder / name).exists()]
    if taken:
        raise CommandError(
            f"{taken[0]} exists: its keys sign links that were mailed. Move it away first, if you really begin anew"
        )
    for name, (values, wanted) in made.items():
        _write(folder / name, domain, values, wanted)
    missing = [each for _, wanted in made.values() for each in wanted]
    if json:
        as_json({"files": [str(folder / name) for name in made], "missing": missing})
        return
    console.print(
        paint("green", "✓"), f"{' and '.join(str(folder / name) for name in made)} with new keys and passwords"
    )
    console.print("fill in: " + ", ".join(missing))
    console.print(
        "then: copy config/seller.yaml and config/contacts.yaml here, put your company and your people in them, and start the containers"
    )


def _write(path: Path, domain: str, values: dict[str, str], wanted: list[str]) -> None:
    lines = [f"# Written by `leadfactory init-production` for {domain}. Never commit it; keep a copy in your vault."]
    lines += [f"{name}={value}" for name, value in values.items()]
    lines += ["# Only you know these; `leadfactory doctor --env-file .env.production` names what is missing."]
    lines += [f"{name}=" for name in wanted]
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"{path} cannot be written ({error.strerror}): choose another --folder") from None
    with os.fdopen(descriptor, "w") as sink:
        sink.write("\n".join(lines) + "\n")


def production_values(domain: str) -> dict[str, tuple[dict[str, str], list[str]]]:
    """Of each file what can be made up for an installation at ``domain``, and the names of what cannot.

    The suppression key is made once and kept for ever: with another one nobody who unsubscribed would be recognised. Without the
    backups' key no backup can be read: keep a copy where no backup is.
    """
    from pyrage import x25519

    from leadfactory.roles import LOGINS

    passwords = {name: secrets.token_urlsafe(24) for name in LOGINS}
    admin = secrets.token_urlsafe(24)
    at = "postgres:5432"
    processes = {
        "LEADFACTORY_ENV": "production",
        "LEADFACTORY_PUBLIC_URL": f"https://{domain}",
        "LEADFACTORY_TRUSTED_PROXIES": "172.16.0.0/12",  # the range of containers' networks
        "LEADFACTORY_SUPPRESSION_KEY": secrets.token_urlsafe(32),
        "LEADFACTORY_SIGNING_KEYS": secrets.token_urlsafe(32),
        "LEADFACTORY_BACKUP_KEYS": str(x25519.Identity.generate()),
        "LEADFACTORY_DATABASE_URL": f"postgresql://lf_app:{passwords['lf_app']}@{at}/leadfactory?sslmode=require",
        "LEADFACTORY_MARTS_DATABASE_URL": f"postgresql://lf_owner:{passwords['lf_owner']}@{at}/leadfactory?sslmode=require",
        "LEADFACTORY_BACKUP_DATABASE_URL": f"postgresql://lf_backup:{passwords['lf_backup']}@{at}/leadfactory?sslmode=require",
        "DAGSTER_DATABASE_URL": f"postgresql://lf_dagster:{passwords['lf_dagster']}@{at}/dagster?sslmode=require",
    }
    vendors = [
        "YELP_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY", "SENDGRID_API_KEY", "SENDGRID_WEBHOOK_PUBLIC_KEY", "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRET",
    ]  # fmt: skip
    around = {
        "LEADFACTORY_DOMAIN": domain,
        "LEADFACTORY_POSTGRES_PASSWORD": admin,
        "LEADFACTORY_ADMIN_DATABASE_URL": f"postgresql://postgres:{admin}@{at}/postgres?sslmode=require",
        "LEADFACTORY_ROLE_PASSWORDS": json_module.dumps(passwords, separators=(",", ":")),
        "LEADFACTORY_OWNER_PASSWORD": passwords["lf_owner"],
        "LEADFACTORY_ANALYST_PASSWORD": passwords["lf_analyst"],
        "LEADFACTORY_GRAFANA_PASSWORD": secrets.token_urlsafe(18),
        "OPERATORS_USER": "operator",
        "VIEWERS_USER": "viewer",
    }
    return {
        ".env.production": (processes, vendors),
        ".env.admin": (around, ["OPERATORS_PASSWORD_HASH", "VIEWERS_PASSWORD_HASH", "LEADFACTORY_METRICS_KEY"]),
    }


def certificate(
    folder: Annotated[Path, typer.Argument(help="Where server.crt and server.key belong.")],
    host: Annotated[str, typer.Option(help="The name under which the server is reached.")] = "postgres",
    json: Json = False,
) -> None:
    """Make a self-signed TLS certificate for a server of your own; one that is good for two months more is kept."""
    crt, key = folder / "server.crt", folder / "server.key"
    left = _days_left(crt, host) if key.is_file() else None
    made = left is None or left < RENEW_DAYS
    if made:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            left = _self_signed(crt, key, host)
        except OSError as error:
            raise CommandError(f"{folder} cannot be written ({error.strerror})") from None
    if json:
        as_json({"certificate": str(crt), "made": made, "days_left": left})
    else:
        console.print(f"{crt} for {host}: {'made' if made else 'kept'}, good for {left} days")


def _days_left(crt: Path, host: str) -> int | None:
    """None for a file that is none, or that names another host."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(crt.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound):
        return None
    if host not in names.get_values_for_type(x509.DNSName):
        return None
    return (found.not_valid_after_utc - dt.datetime.now(dt.UTC)).days


def _self_signed(crt: Path, key: Path, host: str) -> int:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    secret = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    made: x509.Certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=TLS_DAYS))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    pem = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    beside = key.with_suffix(".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(pem)
    beside.replace(key)
    crt.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return TLS_DAYS


def serve(
    process: Annotated[str, typer.Argument(help="One of " + ", ".join(PROCESSES) + ".")],
    host: Annotated[str, typer.Option(help="Where it listens; 127.0.0.1 outside a container.")] = "0.0.0.0",
    read_only: Annotated[bool, typer.Option("--read-only", help="webserver: show everything, change nothing.")] = False,
    path_prefix: Annotated[str, typer.Option(help="webserver: the path under which a proxy serves it.")] = "",
    workspace: Annotated[Path, typer.Option(help="webserver, daemon: where the code locations are.")] = WORKSPACE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command line and start nothing.")] = False,
) -> None:
    """Become one process of the factory, as a container or a service manager runs it. Signals reach it directly."""
    from leadfactory.settings import ROOT, settings
    from resources.dagster_home import prepare

    if process not in PROCESSES:
        raise CommandError(f"{process!r} is no process of the factory: choose one of {', '.join(PROCESSES)}")
    if (read_only or path_prefix) and process != "webserver":
        raise CommandError("--read-only and --path-prefix belong to the webserver")
    argv = command_line(process, host=host, read_only=read_only, path_prefix=path_prefix, workspace=ROOT / workspace)
    if dry_run:
        console.print(" ".join(argv), soft_wrap=True)
        return
    os.environ |= prepare(settings())
    os.chdir(ROOT)
    os.execvp(argv[0], argv)


def command_line(process: str, *, host: str, read_only: bool, path_prefix: str, workspace: Path) -> list[str]:
    """The program of one process of the factory and its arguments."""
    beside = Path(sys.executable)
    match process:
        case "edge":
            return [sys.executable, "-m", "edge", "--host", host]
        case "escalating":
            return [sys.executable, "-m", "leadfactory.monitoring.escalating", "--host", host]
        case "webserver":
            argv = [str(beside.with_name("dagster-webserver")), "-h", host, "-p", "3333", "-w", str(workspace)]
            argv += ["--read-only"] if read_only else []
            return argv + (["--path-prefix", path_prefix] if path_prefix else [])
        case "daemon":
            return [str(beside.with_name("dagster-daemon")), "run", "-w", str(workspace)]
        case "worker":
            argv = [sys.executable, "-m", "celery", "-A", "resources.celery_worker", "worker", "-Q", "dagster"]
            argv += ["--concurrency", "2", "--max-tasks-per-child", "1"]  # a run has a process of its own, as elsewhere
            return [*argv, "-n", f"runs-{os.getpid()}@%h", "--loglevel", "info"]
        case _:
            argv = [str(beside.with_name("dagster")), "api", "grpc", "-h", host, "-p", str(GRPC_PORTS[process])]
            return [*argv, "-m", MODULES[process], "--location-name", process.removeprefix("code-")]
