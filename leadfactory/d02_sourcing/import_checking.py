"""What a row of the operator's file must be to be imported, and which record it is. Pure; errors name field, value and remedy."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email

from leadfactory.d01_targeting import places
from leadfactory.d02_sourcing import listings
from leadfactory.d04_enrichment.own_site import host_of, is_own
from leadfactory.keyed_hashes import normalise_address, normalise_name

Fields = dict[str, Any]
LONGEST_NAME = 200
_HOST = re.compile(r"(?:[\w-]{1,63}\.)+[^\W\d_][\w-]{1,62}")


class RowRefused(ValueError):
    """A row that is not imported: ``rule`` names the check, ``field`` and ``value`` what failed it."""

    def __init__(self, rule: str, field: str, value: str, remedy: str) -> None:
        self.rule, self.field, self.value = rule, field, value
        super().__init__(f"{field}={value!r}: {remedy}")


def checked(row: Mapping[str, str]) -> Fields:
    """The row's fields in the form in which they are stored; what the file leaves empty is None.

    Raises:
        RowRefused: for the first field that cannot be used, or when nothing but a name is given.
    """
    name = row.get("name", "")
    if not normalise_name(name):
        raise RowRefused("name_present", "name", name, "a business needs a name of letters or digits")
    if len(name) > LONGEST_NAME:
        raise RowRefused(
            "name_length",
            "name",
            name[:40] + "…",
            f"has more than {LONGEST_NAME} letters: is the column the right one?",
        )
    country = row.get("country", "").upper()
    if country not in {"", "US", "USA", "UNITED STATES", "UNITED STATES OF AMERICA"}:
        raise RowRefused(
            "country_us", "country", country, "only businesses in the United States are written to: leave the row out"
        )
    code = _zip(row.get("zip", ""))
    fields: Fields = {
        "id": row.get("id") or None, "name": name, "street": row.get("street") or None, "city": row.get("city") or None,
        "state": _state(row.get("state", ""), code), "zip": code, "phone": _phone(row.get("phone", "")),
        "website": _website(row.get("website", "")), "email": _email(row.get("email", "")),
        "latitude": _degrees("latitude", row.get("latitude", ""), 90), "longitude": _degrees("longitude", row.get("longitude", ""), 180),
    }  # fmt: skip
    if (fields["latitude"] is None) != (fields["longitude"] is None):
        raise RowRefused(
            "point_whole", "longitude", row.get("longitude", ""), "give latitude and longitude, or neither"
        )
    if not any(fields[each] for each in ("phone", "website", "email")) and not (
        fields["street"] and (code or fields["city"])
    ):
        raise RowRefused(
            "findable",
            "name",
            name,
            "nothing tells which business it is: give a phone, an address, a website or an e-mail",
        )
    return fields


def record_key(fields: Fields) -> bytes:
    """What stays the same when a row changes: its id when it has one, else its name with the door, or else with what it has."""
    if fields["id"]:
        said = ["id", fields["id"]]
    else:
        door = listings.normalise_address(fields["street"], fields["zip"]) or ""
        rest = door or fields["phone"] or host_of(fields["website"] or "") or fields["email"] or fields["city"] or ""
        said = ["name", normalise_name(fields["name"]), str(rest).casefold()]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False).encode()).digest()


def content_hash(fields: Fields) -> bytes:
    """Whether two versions of a record say the same."""
    return hashlib.sha256(json.dumps(fields, sort_keys=True, ensure_ascii=False).encode()).digest()


def _zip(text: str) -> str | None:
    if not text:
        return None
    digits = text.partition("-")[0].strip()
    digits = digits.zfill(5) if digits.isdecimal() and 3 <= len(digits) <= 5 else digits
    if places.state_of_zip(digits) is None:
        raise RowRefused("zip_known", "zip", text, "is no US ZIP code in use: write five digits, for example 02134")
    return digits


def _state(text: str, code: str | None) -> str | None:
    by_code = places.state_of_zip(code) if code else None
    state = text.strip().upper()
    if len(state) != 2:
        return by_code  # a state written out is told by the ZIP code, or not known
    if by_code and state != by_code:
        raise RowRefused("state_fits_zip", "state", text, f"ZIP code {code} lies in {by_code}: correct one of them")
    return state


def _phone(text: str) -> str | None:
    number, _, _ = listings.phones(text)
    if text and number is None:
        raise RowRefused(
            "phone_possible", "phone", text, "is no US telephone number: write ten digits, or leave it empty"
        )
    return number


def _website(text: str) -> str | None:
    if not text:
        return None
    url = text if re.match(r"https?://", text, re.IGNORECASE) else f"https://{text}"
    host = host_of(url)
    if re.search(r"\s", text) or not _HOST.fullmatch(host):
        raise RowRefused(
            "website_is_url",
            "website",
            text,
            "is no address on the web: write it as www.their-site.com, or leave it empty",
        )
    return url if is_own(url) else None  # a page on a network or a directory is not the business's own website


def _email(text: str) -> str | None:
    if not text:
        return None
    try:
        normal = normalise_address(text)
        validate_email(normal, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except (ValueError, EmailNotValidError):
        raise RowRefused(
            "email_valid", "email", text, "is no e-mail address: write one as info@their-site.com, or leave it empty"
        ) from None
    return normal


def _degrees(field: str, text: str, most: int) -> float | None:
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not -most <= number <= most:
        raise RowRefused("degrees", field, text, f"is no {field} in degrees: write it as 40.7465, or leave it empty")
    return number
