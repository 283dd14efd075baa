"""Production sells under a real name or not at all."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pytest

from leadfactory import seller
from leadfactory.settings import ROOT, SANDBOX_KEYS, Settings
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


def production(path: Path | None) -> Settings:
    return Settings(
        env="production", suppression_key="s" * 32, signing_keys="k" * 32, database_url="postgresql://x@db.invalid/y",
        seller_file=path, contacts_file=_reached(), **dict.fromkeys(SANDBOX_KEYS, "a-key"),
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


def test_development_has_one() -> None:
    assert seller.seller().invented
