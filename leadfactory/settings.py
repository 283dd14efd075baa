"""Typed settings: what the environment decides. Base URLs choose the live vendors or the sandbox; the code is the same.

Precedence, strongest first: process environment, mounted files (``<NAME>_FILE``), ``.env.<env>``, ``config/<env>.yaml``.
Nothing here is needed to load a code location: every field has a development default.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveInt, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, DotEnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from leadfactory.clock import Clock

ROOT = Path(__file__).resolve().parent.parent
SANDBOX_PORT = 8900
SANDBOX_KEYS = {
    "yelp_api_key": "sandbox-yelp-key",
    "google_api_key": "sandbox-google-key",
    "openai_api_key": "sandbox-openai-key",
    "sendgrid_api_key": "SG.sandbox-sendgrid-key",
    "stripe_api_key": "sk_test_sandbox",
}
# Without these a paid report would never be made, an opt-out never be heard, a backup never be written.
PRODUCTION_SECRETS = ("stripe_webhook_secret", "sendgrid_webhook_public_key", "backup_keys")
TEST_KEYS = ("sk_test_", "rk_test_", "pk_test_")
LIVE_BASE_URLS = {
    "yelp_base_url": "https://api.yelp.com",
    "pagespeed_base_url": "https://pagespeedonline.googleapis.com",
    "places_base_url": "https://places.googleapis.com",
    "openai_base_url": "https://api.openai.com/v1",
    "sendgrid_base_url": "https://api.sendgrid.com",
    "stripe_base_url": "https://api.stripe.com",
}
SANDBOX_INBOUND_DOMAIN = "reply.leadfactory.example"
DEVELOPMENT_SUPPRESSION_KEY = "development-only-suppression-key"
DEVELOPMENT_SIGNING_KEY = "development-only-signing-key"


class SettingsError(ValueError):
    """A setting is missing or wrong; the message names the variable, the value (never a secret's) and the remedy."""


class _MountedFiles(PydanticBaseSettingsSource):
    """``<NAME>_FILE`` names a file whose stripped content is the value: how orchestrators mount secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        name = field.validation_alias if isinstance(field.validation_alias, str) else field_name.upper()
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None, name, False
        try:
            return Path(path).read_text().strip(), name, False
        except OSError as error:
            raise SettingsError(
                f"{name}_FILE={path!r} cannot be read ({error.strerror}): mount the file or unset it"
            ) from None

    def __call__(self) -> dict[str, Any]:
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


class _EnvironmentYaml(PydanticBaseSettingsSource):
    """``config/<env>.yaml``: the settings of one environment that are no secrets."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        path = ROOT / "config" / f"{os.environ.get('LEADFACTORY_ENV', 'development')}.yaml"
        if not path.is_file():
            return {}
        content = yaml.safe_load(path.read_text()) or {}
        return {str(k): v for k, v in (content.get("settings") or {}).items()}


class Settings(BaseSettings):
    """All settings of one process. ``.env.example`` documents each variable."""

    model_config = SettingsConfigDict(extra="ignore", case_sensitive=True, populate_by_name=True)

    env: Literal["development", "test", "production"] = Field("development", validation_alias="LEADFACTORY_ENV")
    home: Path = Field(Path(".leadfactory"), validation_alias="LEADFACTORY_HOME")
    database_url: SecretStr | None = Field(None, validation_alias="LEADFACTORY_DATABASE_URL")
    dagster_database_url: SecretStr | None = Field(None, validation_alias="DAGSTER_DATABASE_URL")
    marts_database_url: SecretStr | None = Field(None, validation_alias="LEADFACTORY_MARTS_DATABASE_URL")
    replica_url: SecretStr | None = Field(None, validation_alias="LEADFACTORY_REPLICA_URL")
    public_url: str = Field("http://localhost:8000", validation_alias="LEADFACTORY_PUBLIC_URL")
    suppression_key: SecretStr = Field(
        SecretStr(DEVELOPMENT_SUPPRESSION_KEY), validation_alias="LEADFACTORY_SUPPRESSION_KEY"
    )
    signing_keys: SecretStr = Field(SecretStr(DEVELOPMENT_SIGNING_KEY), validation_alias="LEADFACTORY_SIGNING_KEYS")
    trusted_proxies: str = Field("", validation_alias="LEADFACTORY_TRUSTED_PROXIES")
    clock_spec: str = Field("", validation_alias="LEADFACTORY_CLOCK")
    lake_url: str | None = Field(None, validation_alias="LEADFACTORY_LAKE_URL")
    blob_url: str | None = Field(None, validation_alias="LEADFACTORY_BLOB_URL")
    backup_url: str | None = Field(None, validation_alias="LEADFACTORY_BACKUP_URL")
    backup_keys: SecretStr = Field(SecretStr(""), validation_alias="LEADFACTORY_BACKUP_KEYS")
    backup_database_url: SecretStr | None = Field(None, validation_alias="LEADFACTORY_BACKUP_DATABASE_URL")
    seller_file: Path | None = Field(None, validation_alias="LEADFACTORY_SELLER")
    run_launcher: Literal["default", "celery"] = Field("default", validation_alias="LEADFACTORY_RUN_LAUNCHER")
    broker_url: SecretStr = Field(SecretStr(""), validation_alias="LEADFACTORY_BROKER_URL")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", validation_alias="LEADFACTORY_LOG_LEVEL")
    contacts_file: Path | None = Field(None, validation_alias="LEADFACTORY_CONTACTS")
    alert_webhook_url: SecretStr = Field(SecretStr(""), validation_alias="LEADFACTORY_ALERT_WEBHOOK_URL")
    alert_smtp_url: SecretStr = Field(SecretStr(""), validation_alias="LEADFACTORY_ALERT_SMTP_URL")
    alert_from: str = Field("", validation_alias="LEADFACTORY_ALERT_FROM")
    dagster_url: str = Field("http://localhost:3333", validation_alias="LEADFACTORY_DAGSTER_URL")
    webserver_url: str | None = Field(None, validation_alias="LEADFACTORY_WEBSERVER_URL")
    edge_url: str | None = Field(None, validation_alias="LEADFACTORY_EDGE_URL")
    prometheus_url: str = Field("http://127.0.0.1:9090", validation_alias="LEADFACTORY_PROMETHEUS_URL")
    alertmanager_url: str = Field("http://127.0.0.1:9093", validation_alias="LEADFACTORY_ALERTMANAGER_URL")
    escalating_url: str = Field("http://127.0.0.1:9095", validation_alias="LEADFACTORY_ESCALATING_URL")
    grafana_url: str = Field("http://127.0.0.1:3000", validation_alias="LEADFACTORY_GRAFANA_URL")
    runbook_url: str = Field("docs/alerts.md", validation_alias="LEADFACTORY_ALERTS_PAGE_URL")
    first_day: dt.date = Field(dt.date(2026, 1, 1), validation_alias="LEADFACTORY_FIRST_DAY")

    sandbox_url: str = Field(f"http://127.0.0.1:{SANDBOX_PORT}", validation_alias="LEADFACTORY_SANDBOX_URL")
    yelp_base_url: str = Field("", validation_alias="YELP_BASE_URL")
    yelp_api_key: SecretStr = Field(SecretStr(""), validation_alias="YELP_API_KEY")
    pagespeed_base_url: str = Field("", validation_alias="PAGESPEED_BASE_URL")
    places_base_url: str = Field("", validation_alias="PLACES_BASE_URL")
    google_api_key: SecretStr = Field(SecretStr(""), validation_alias="GOOGLE_API_KEY")
    openai_base_url: str = Field("", validation_alias="OPENAI_BASE_URL")
    openai_api_key: SecretStr = Field(SecretStr(""), validation_alias="OPENAI_API_KEY")
    sendgrid_base_url: str = Field("", validation_alias="SENDGRID_BASE_URL")
    sendgrid_api_key: SecretStr = Field(SecretStr(""), validation_alias="SENDGRID_API_KEY")
    sendgrid_webhook_public_key: str = Field("", validation_alias="SENDGRID_WEBHOOK_PUBLIC_KEY")
    smtp_url: SecretStr = Field(SecretStr(""), validation_alias="SMTP_URL")
    inbound_domain: str = Field("", validation_alias="LEADFACTORY_INBOUND_DOMAIN")
    sendgrid_inbound_public_key: str = Field("", validation_alias="SENDGRID_INBOUND_PUBLIC_KEY")
    stripe_base_url: str = Field("", validation_alias="STRIPE_BASE_URL")
    stripe_api_key: SecretStr = Field(SecretStr(""), validation_alias="STRIPE_API_KEY")
    stripe_webhook_secret: SecretStr = Field(SecretStr(""), validation_alias="STRIPE_WEBHOOK_SECRET")
    website_resolver: str = Field("", validation_alias="WEBSITE_RESOLVER")
    website_gateway: str = Field("", validation_alias="WEBSITE_GATEWAY")
    website_ca_file: Path | None = Field(None, validation_alias="WEBSITE_CA_FILE")
    website_most_requests: PositiveInt | None = Field(None, validation_alias="WEBSITE_MOST_REQUESTS")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of precedence that the module's docstring names."""
        env = os.environ.get("LEADFACTORY_ENV", "development")
        return (
            init_settings,
            env_settings,
            _MountedFiles(settings_cls),
            DotEnvSettingsSource(settings_cls, env_file=ROOT / f".env.{env}", env_file_encoding="utf-8"),
            _EnvironmentYaml(settings_cls),
        )

    @model_validator(mode="after")
    def _complete(self) -> Settings:
        self.home = Path(os.path.abspath(self.home if self.home.is_absolute() else ROOT / self.home))  # noqa: PTH100
        Clock.from_spec(self.clock_spec)
        if self.run_launcher == "celery" and not self.broker_url.get_secret_value():
            raise SettingsError(
                "LEADFACTORY_RUN_LAUNCHER=celery needs LEADFACTORY_BROKER_URL, for example redis://redis:6379/0"
            )
        if self.env == "production":
            self._check_production()
        self._choose_vendors()
        return self

    def _choose_vendors(self) -> None:
        """With no vendor key set, development and tests use the sandbox; a key without a base URL means the live vendor."""
        keys_set = any(getattr(self, name).get_secret_value() for name in SANDBOX_KEYS)
        if keys_set or self.env == "production":
            for name, url in LIVE_BASE_URLS.items():
                if not getattr(self, name):
                    setattr(self, name, url)
            return
        paths = {"openai_base_url": "/openai/v1"}
        for name in LIVE_BASE_URLS:
            vendor = name.removesuffix("_base_url")
            if not getattr(self, name):
                setattr(self, name, self.sandbox_url + paths.get(name, f"/{vendor}"))
        for name, key in SANDBOX_KEYS.items():
            setattr(self, name, SecretStr(key))
        self.inbound_domain = self.inbound_domain or SANDBOX_INBOUND_DOMAIN
        address = self.sandbox_url.split("://", 1)[1]
        self.website_resolver = self.website_resolver or address
        self.website_gateway = self.website_gateway or address
        self.website_ca_file = self.website_ca_file or self.home / "sandbox" / "ca.pem"

    def _check_production(self) -> None:
        variables = {name: field.validation_alias for name, field in type(self).model_fields.items()}
        problems = []
        for name, default in (
            ("suppression_key", DEVELOPMENT_SUPPRESSION_KEY),
            ("signing_keys", DEVELOPMENT_SIGNING_KEY),
        ):
            if getattr(self, name).get_secret_value() in {"", default}:
                problems.append(f"{variables[name]} is missing or the development default")
        problems += [
            f"{variables[name]} is missing"
            for name in (*SANDBOX_KEYS, "database_url", *PRODUCTION_SECRETS)
            if not _told(getattr(self, name))
        ]
        problems += [
            f"{variables[name]} is a key of the vendor's test mode: take the live one"
            for name in SANDBOX_KEYS
            if _told(getattr(self, name)).startswith(TEST_KEYS) or _told(getattr(self, name)) in SANDBOX_KEYS.values()
        ]
        if self.clock_spec:
            problems.append("LEADFACTORY_CLOCK is set: production runs on real time")
        problems += [
            f"{variables[name]} is set: it belongs to the sandbox"
            for name in ("website_resolver", "website_gateway", "website_ca_file")
            if getattr(self, name)
        ]
        from leadfactory import seller  # it reads these settings
        from leadfactory.monitoring import contacts

        problems += [why for why in (seller.problem(self.seller_file), contacts.problem(self.contacts_file)) if why]
        local = [n for n in LIVE_BASE_URLS if "127.0.0.1" in getattr(self, n) or "localhost" in getattr(self, n)]
        problems += [f"{variables[n]} points at this machine" for n in local]
        if problems:
            raise SettingsError("production cannot start: " + "; ".join(problems))

    def mounted(self, variable: str) -> Callable[[], str] | None:
        """Reads the mounted file of ``variable`` again; None where the value does not come from one."""
        path = os.environ.get(f"{variable}_FILE")
        if not path or os.environ.get(variable):
            return None
        return lambda: Path(path).read_text().strip()

    @property
    def clock(self) -> Clock:
        """The factory's clock."""
        return Clock.from_spec(self.clock_spec)

    @property
    def uses_sandbox(self) -> bool:
        """Whether vendor calls go to the sandbox."""
        return self.yelp_base_url.startswith(self.sandbox_url)

    @property
    def dagster_home(self) -> Path:
        """DAGSTER_HOME: under the home, so that the repository root stays clean."""
        return self.home / "dagster"

    @property
    def lake(self) -> str:
        """The fsspec URL of the Parquet lake."""
        return self.lake_url or str(self.home / "lake")

    @property
    def blobs(self) -> str:
        """The fsspec URL of the blobs: sold reports by their hash."""
        return self.blob_url or str(self.home / "blobs")

    @property
    def backups(self) -> str:
        """The fsspec URL of the backups."""
        return self.backup_url or str(self.home / "backups")

    @property
    def warehouse(self) -> Path:
        """The published DuckDB file."""
        return self.home / "warehouse.duckdb"

    @property
    def journal(self) -> Path:
        """The folder of the send journal."""
        return self.home / "journal"


def _told(value: SecretStr | str | None) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value or ""


@functools.lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once; ``settings.cache_clear()`` re-reads them."""
    return Settings()
