"""`leadfactory doctor --env-file`: what is missing, default, unknown or of a test in a file of variables. Never prints a secret."""

from __future__ import annotations

import re
from pathlib import Path

from dotenv import dotenv_values

from cli.doctor import Finding
from cli.output import CommandError
from leadfactory.settings import (
    DEVELOPMENT_SIGNING_KEY,
    DEVELOPMENT_SUPPRESSION_KEY,
    ROOT,
    SANDBOX_KEYS,
    Settings,
)

NEEDED = (
    "LEADFACTORY_ENV", "LEADFACTORY_DATABASE_URL", "DAGSTER_DATABASE_URL", "LEADFACTORY_PUBLIC_URL", "LEADFACTORY_SUPPRESSION_KEY",
    "LEADFACTORY_SIGNING_KEYS", "YELP_API_KEY", "GOOGLE_API_KEY", "OPENAI_API_KEY", "SENDGRID_API_KEY",
    "SENDGRID_WEBHOOK_PUBLIC_KEY", "STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "LEADFACTORY_BACKUP_KEYS",
)  # fmt: skip
SANDBOX_ONLY = (
    "WEBSITE_RESOLVER",
    "WEBSITE_GATEWAY",
    "WEBSITE_CA_FILE",
    "LEADFACTORY_SANDBOX_URL",
    "LEADFACTORY_CLOCK",
)
TESTING = re.compile(r"^(sk|rk|pk)_test_|sandbox|whsec_development|^test[-_]?key|development[-_]only", re.IGNORECASE)
HERE = re.compile(r"localhost|127\.0\.0\.1|\[::1\]")
PLACEHOLDER = re.compile(r"…|change[-_ ]?me|your[-_ ]|^<.*>$|^x{3,}$|example\.(com|org)\b|\.example\b", re.IGNORECASE)
DEFAULTS = {DEVELOPMENT_SUPPRESSION_KEY, DEVELOPMENT_SIGNING_KEY, *SANDBOX_KEYS.values()}
MOUNTS = {
    "LEADFACTORY_SELLER_FILE",
    "LEADFACTORY_CONTACTS_FILE",
}  # the compose file's own, beside the file of variables
_NAME = re.compile(r"^#?\s?([A-Z][A-Z0-9_]{2,})=", re.MULTILINE)


def findings(path: Path) -> list[Finding]:
    """One finding for each variable that production cannot use as it stands, or one that says that all are right.

    Raises:
        CommandError: the file cannot be read.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeError) as error:
        raise CommandError(f"--env-file={path} cannot be read ({error}): name a file of NAME=value lines") from None
    values = {name: (value or "").strip() for name, value in dotenv_values(stream=_stream(text)).items()}
    found = [_missing(name) for name in NEEDED if not values.get(name) and not values.get(f"{name}_FILE")]
    found += [each for name, value in values.items() if value for each in _judged(name, value)]
    found += [
        each for variable in ("LEADFACTORY_SELLER", "LEADFACTORY_CONTACTS") for each in _people(variable, values, path)
    ]
    found += [
        Finding(name, "warning", "is given twice; the last one counts", "keep one")
        for name in sorted({name for name in values if len(re.findall(rf"(?m)^\s*(?:export )?{name}=", text)) > 1})
    ]
    return found or [
        Finding(
            path.name,
            "ok",
            f"{len([v for v in values.values() if v])} variables, none of them missing, default, unknown or of a test",
        )
    ]


def known() -> set[str]:
    """Every variable that something reads: the settings', and what .env.example documents."""
    names = {str(field.validation_alias) for field in Settings.model_fields.values()}
    names |= set(_NAME.findall((ROOT / ".env.example").read_text()))
    return names | {f"{name}_FILE" for name in names}


def _missing(name: str) -> Finding:
    return Finding(
        name, "broken", "missing", f"set it, or mount a file and set {name}_FILE; .env.example says what it is"
    )


def _people(variable: str, values: dict[str, str], path: Path) -> list[Finding]:
    """Who sells, and who is told of alerts: the file that ``variable`` names, or the one beside ``path`` that the compose file mounts."""
    from leadfactory import seller
    from leadfactory.monitoring import contacts

    kind = {"LEADFACTORY_SELLER": "seller", "LEADFACTORY_CONTACTS": "contacts"}[variable]
    given = values.get(variable)
    file = Path(given) if given else path.parent / (values.get(f"{variable}_FILE") or f"{kind}.yaml")
    if not file.is_file():
        if given:
            told = f"names {given}, which is not on this machine"
            return [Finding(variable, "warning", told, "mount it where the process runs")]
        remedy = f"cp config/{kind}.yaml {file} and fill it in; the compose file mounts it"
        return [Finding(variable, "broken", f"not set, and there is no {file}", remedy)]
    why = seller.problem(file) if kind == "seller" else contacts.problem(file)
    return [Finding(variable, "broken", why.removeprefix(f"{variable}: "), f"mend {file}")] if why else []


def _judged(name: str, value: str) -> list[Finding]:
    if name not in known():
        return [Finding(name, "warning", "unknown: nothing reads it", f"correct its name{_near(name)}")]
    if name == "LEADFACTORY_ENV" and value != "production":
        return [Finding(name, "broken", f"is {value!r}", "LEADFACTORY_ENV=production")]
    if name in SANDBOX_ONLY:
        return [Finding(name, "broken", "belongs to development and tests", "remove it")]
    if value in DEFAULTS:
        return [Finding(name, "broken", "is a default of development", "make one of your own")]
    if TESTING.search(value):
        return [Finding(name, "broken", "is a test-mode value", "take the live one of the vendor's console")]
    if name.endswith(("_URL", "_BASE_URL")) and HERE.search(value) and name != "LEADFACTORY_REPLICA_URL":
        return [Finding(name, "broken", "points at this machine", "name the host that the containers see")]
    if PLACEHOLDER.search(value):
        return [Finding(name, "broken", "is a placeholder", "fill it in")]
    if name.endswith("_FILE") and name not in MOUNTS and not Path(value).is_file():
        return [
            Finding(name, "warning", f"names {value}, which is not on this machine", "mount it where the process runs")
        ]
    if name == "LEADFACTORY_PUBLIC_URL" and not value.startswith("https://"):
        return [Finding(name, "broken", f"is {value}", "letters' links must be https")]
    return []


def _near(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, known(), 1)
    return f" (did you mean {near[0]}?)" if near else ", or remove it"


def _stream(text: str):  # type: ignore[no-untyped-def]
    import io

    return io.StringIO(text)
