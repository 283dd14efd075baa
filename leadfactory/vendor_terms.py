"""What vendors allow us to do with what they answer: the typed form of config/vendor_terms.yaml.

Rooms ask here before they keep a field, put it into a prompt or print it in mail. Nothing here reads the clock.
"""

from __future__ import annotations

import datetime as dt
import functools
from pathlib import Path
from typing import Any, Literal

import pydantic
import yaml
from pydantic import PositiveInt

from leadfactory import yaml_config
from leadfactory.settings import ROOT

PATH = ROOT / "config" / "vendor_terms.yaml"


class VendorTermsError(ValueError):
    """config/vendor_terms.yaml is wrong; the message names file, key, value and what is expected."""


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Storage(_Strict):
    """How long a field may be stored, as ``{hours: n}`` or ``{days: n}``."""

    hours: PositiveInt | None = None
    days: PositiveInt | None = None

    @pydantic.model_validator(mode="after")
    def _one(self) -> Storage:
        if (self.hours is None) == (self.days is None):
            raise ValueError("needs exactly one of hours and days")
        return self


class FieldTerm(_Strict):
    """One field of one vendor: storage, prompts, mail, what may remain of it, and who says so.

    ``residue`` is what may outlive the field (a band, a hash); a band counts only with ``accepted_by`` and ``accepted_on``.
    """

    store: Literal["never", "forever"] | Storage
    prompt: bool
    mail: bool
    residue: str | None = None
    accepted_by: str | None = None
    accepted_on: dt.date | None = None
    source: str
    as_of: dt.date

    @property
    def life(self) -> dt.timedelta | None:
        """How long the field may be stored: zero for never, None for ever."""
        if isinstance(self.store, Storage):
            return dt.timedelta(hours=self.store.hours or 0, days=self.store.days or 0)
        return dt.timedelta() if self.store == "never" else None

    @property
    def band_allowed(self) -> bool:
        """Whether a coarse band of the field may outlive it: a named person accepted that on a date."""
        return self.residue == "band" and self.accepted_by is not None and self.accepted_on is not None

    @pydantic.model_validator(mode="after")
    def _signed(self) -> FieldTerm:
        if (self.accepted_by is None) != (self.accepted_on is None):
            raise ValueError("accepted_by and accepted_on go together")
        return self


class VendorTerms(_Strict):
    """Vendor → field → term. The field ``answer`` is the whole answer as it came, which bounds the cache."""

    vendors: dict[str, dict[str, FieldTerm]]

    @classmethod
    def load(cls, path: Path = PATH) -> VendorTerms:
        """Reads and checks the file (once per path and process).

        Raises:
            VendorTermsError: names file, key and value.
        """
        return _load(path)

    @classmethod
    def parse(cls, content: Any, origin: str) -> VendorTerms:
        """Checks plain data.

        Raises:
            VendorTermsError: names ``origin``, key and value of every problem.
        """
        try:
            terms = cls.model_validate(content)
        except pydantic.ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in found['loc'])} = {found['input']!r}: {found['msg']}"
                for found in error.errors()
            )
            raise VendorTermsError(f"{origin}: {problems}") from None
        for vendor, fields in terms.vendors.items():
            if "answer" not in fields:
                raise VendorTermsError(
                    f"{origin}: vendors.{vendor} has no field 'answer': say how long a whole answer may live"
                )
        return terms

    def field(self, vendor: str, name: str) -> FieldTerm:
        """The term of a vendor's field.

        Raises:
            VendorTermsError: nobody has written down what is allowed; then nothing is.
        """
        try:
            return self.vendors[vendor][name]
        except KeyError:
            raise VendorTermsError(
                f"{PATH.name}: vendors.{vendor}.{name} is missing: nothing may be done with a field without a term; add one"
            ) from None

    def expires_at(self, vendor: str, name: str, fetched_at: dt.datetime) -> dt.datetime | None:
        """When a field fetched at ``fetched_at`` must be gone; None for never."""
        life = self.field(vendor, name).life
        return None if life is None else fetched_at + life

    def answer_life(self, vendor: str) -> dt.timedelta | None:
        """How long a whole answer may be kept: zero without a row, None for ever."""
        fields = self.vendors.get(vendor)
        return dt.timedelta() if fields is None else fields["answer"].life

    def oldest_reading(self) -> dt.date:
        """The date of the reading that is longest ago, for the warning about stale terms."""
        return min(term.as_of for fields in self.vendors.values() for term in fields.values())


@functools.lru_cache(maxsize=8)
def _load(path: Path) -> VendorTerms:
    try:
        content = yaml_config.parse(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise VendorTermsError(f"{path} cannot be read ({error}): restore it from the repository") from None
    return VendorTerms.parse(content, str(path))
