"""Production sells under a real name or not at all."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from leadfactory import seller
from leadfactory.settings import PRODUCTION_SECRETS, ROOT, SANDBOX_KEYS, Settings
from leadfactory.yaml_config import ConfigError

SHIPPED = (ROOT / "config" / "seller.yaml").read_text()


def a_file(folder: Path, text: str) -> Path:
    path = folder / "seller.yaml"
    path.write_text(text)
    return path


def _reached() -> Path:
    """Contacts in whom nobody is a placeholder."""
    path = Path(tempfile.mkdtemp()) / "contacts.yaml"
    path.write_text((ROOT / "config" / "contacts.yaml").read_text().replace("[Contact]", "somebody"))
    return path


def production(path: Path | None, **changes: str) -> Settings:
    values = dict.fromkeys((*SANDBOX_KEYS, *PRODUCTION_SECRETS), "a-key") | changes
    return Settings(
        env="production", suppression_key="s" * 32, signing_keys="k" * 32, database_url="postgresql://x@db.invalid/y",
        seller_file=path, contacts_file=_reached(), **values,
    )  # type: ignore[arg-type]  # fmt: skip


def test_production_refuses_to_start_without_a_seller() -> None:
    with pytest.raises(ValueError, match=r"LEADFACTORY_SELLER is missing: copy config/seller\.yaml"):
        production(None)


def test_production_refuses_an_invented_seller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="says invented: true"):
        production(a_file(tmp_path, SHIPPED))


@pytest.mark.parametrize("field", ["legal_name", "postal_address", "email", "refund_days", "terms_version"])
def test_production_refuses_a_seller_without(tmp_path: Path, field: str) -> None:
    kept = [line for line in SHIPPED.splitlines() if not line.startswith(f"{field}:")]
    path = a_file(tmp_path, "\n".join(kept).replace("invented: true", "invented: false"))
    with pytest.raises(ValueError, match=f"{field}: Field required"):
        production(path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [('email: "nobody"', "email = 'nobody'"), ('legal_name: ""', "legal_name = ''"), ("postal_address: []", "postal_address")],
)  # fmt: skip
def test_what_is_empty_or_malformed_is_named(tmp_path: Path, wrong: str, said: str) -> None:
    field = wrong.split(":")[0]
    lines = [wrong if line.startswith(f"{field}:") else line for line in SHIPPED.splitlines()]
    with pytest.raises(ConfigError, match=said):
        seller.seller(a_file(tmp_path, "\n".join(lines)))


def test_production_refuses_contacts_whom_nobody_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "_reached", lambda: None)
    with pytest.raises(ValueError, match=r"LEADFACTORY_CONTACTS is missing: copy config/contacts\.yaml"):
        production(a_file(tmp_path, SHIPPED.replace("invented: true", "invented: false")))


def test_production_starts_with_a_real_one(tmp_path: Path) -> None:
    path = a_file(tmp_path, SHIPPED.replace("invented: true", "invented: false"))
    assert production(path).seller_file == path


@pytest.mark.parametrize("name", PRODUCTION_SECRETS)
def test_production_refuses_to_start_without_what_it_would_lose_things_by(tmp_path: Path, name: str) -> None:
    variable = Settings.model_fields[name].validation_alias
    with pytest.raises(ValueError, match=f"production cannot start: {variable} is missing"):
        production(_real(tmp_path), **{name: ""})


@pytest.mark.parametrize("key", ["sk_test_51abc", "rk_test_51abc", "sk_test_sandbox"])
def test_production_refuses_a_key_of_the_vendors_test_mode(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="STRIPE_API_KEY is a key of the vendor's test mode") as refused:
        production(_real(tmp_path), stripe_api_key=key)
    assert key not in str(refused.value).split("input_value")[0]


def test_production_refuses_a_key_of_the_sandbox(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="YELP_API_KEY is a key of the vendor's test mode"):
        production(_real(tmp_path), yelp_api_key=SANDBOX_KEYS["yelp_api_key"])


def _real(folder: Path) -> Path:
    return a_file(folder, SHIPPED.replace("invented: true", "invented: false"))


def test_development_has_one() -> None:
    assert seller.seller().invented
