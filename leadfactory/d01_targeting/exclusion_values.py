"""What an exclusion may name: a phone, a domain, an e-mail address or a business name, from a word or from a file. Pure."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Iterator, Mapping

import idna

from leadfactory.d02_sourcing.listings import e164
from leadfactory.d04_enrichment.own_site import OTHERS, host_of, registrable_domain
from leadfactory.keyed_hashes import FREE_MAIL, KeyedHashes, normalise_address, normalise_name

KINDS = ("phone", "domain", "address", "name")
COLUMNS = {
    "phone": "phone", "telephone": "phone", "tel": "phone", "mobile": "phone", "domain": "domain", "website": "domain", "url": "domain",
    "site": "domain", "web": "domain", "email": "address", "e-mail": "address", "e_mail": "address", "mail": "address",
    "email_address": "address", "value": "", "name": "name", "business": "name", "company": "name", "business_name": "name",
}  # fmt: skip
MAX_BYTES = 64 * 1024 * 1024
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_ADDRESS = re.compile(r"[^@\s<>,;:\"]+@[^@\s<>,;:\"]+")


@dataclasses.dataclass(frozen=True)
class Value:
    """One normalised thing to exclude. ``with_domain``: an address stands for its own domain too, unless that is free mail."""

    kind: str
    text: str
    with_domain: bool = False

    def hashes(self, hashes: KeyedHashes) -> tuple[bytes, ...]:
        """Its keyed hashes, made as the rooms make theirs."""
        match self.kind:
            case "phone":
                return (hashes.phone(self.text),)
            case "domain":
                return (hashes.domain(self.text),)
            case "name":
                return (hashes.name(self.text),)
        found = {hashes.address(self.text), hashes.address_plus_stripped(self.text)}
        domain = registrable_domain(self.text.rpartition("@")[2])
        if self.with_domain and domain not in FREE_MAIL and domain not in OTHERS:
            found.add(hashes.domain(domain))
        return tuple(sorted(found))


@dataclasses.dataclass(frozen=True)
class Problem:
    """A row that cannot be used: its line in the file, and what is wrong with which field."""

    line: int
    what: str


@dataclasses.dataclass(frozen=True)
class Parsed:
    """What a file holds: values in its order, and the rows that cannot be used."""

    values: tuple[Value, ...]
    problems: tuple[Problem, ...]
    rows: int


def parse(text: str, kind: str | None = None, *, with_domain: bool = False) -> Value:
    """The value that ``text`` is; its kind is seen from it unless given. A name must be told by kind.

    Raises:
        ValueError: names kind, value and what is expected.
    """
    word = text.strip()
    if kind is not None and kind not in KINDS:
        raise ValueError(f"kind={kind!r} is unknown: use one of {', '.join(KINDS)}")
    chosen = kind or _kind_of(word)
    match chosen:
        case "phone":
            number = e164(word)
            if number is None:
                raise ValueError(
                    f"phone={_short(word)} is not a phone number: write it as (212) 555-0100 or +12125550100"
                )
            return Value("phone", number)
        case "domain":
            return Value("domain", _domain(word))
        case "address":
            return Value("address", _address(word), with_domain)
        case "name":
            if not normalise_name(word):
                raise ValueError(f"name={_short(word)} holds no letter or digit: give the name of a business")
            return Value("name", word)
    raise ValueError(
        f"{_short(word)} is neither a phone number, a domain nor an e-mail address: write (212) 555-0100, joes.com or "
        "ana@joes.com, or say --kind=name for a business name"
    )


def parse_file(content: bytes, kind: str | None = None, *, with_domain: bool = False, names: bool = False) -> Parsed:
    """The values of a CSV (a header with phone, domain, email or name columns) or of a plain list, one value a line.

    Columns of names count only with ``names``: a customer's name is borne by other businesses too. Empty cells and empty lines say nothing; a row is a problem when a cell of it is wrong or when it says nothing at all.

    Raises:
        ValueError: the file is empty, too large, not UTF-8 text, or has a header without a column that is known.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"the file has {len(content)} bytes; at most {MAX_BYTES} are read: split it")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line}: the file is not UTF-8 text: save it as CSV UTF-8") from None
    if "\x00" in text:
        raise ValueError("the file holds zero bytes: it is no text; save it as CSV UTF-8")
    lines = list(_lines(text))
    if not lines:
        raise ValueError("the file holds no value: give one a line, or a CSV with a header such as phone,domain,email")
    known = {at: name for at, name in _header(lines[0][1]).items() if names or name != "name"}
    headed = bool(_header(lines[0][1]))
    values: dict[Value, None] = {}
    problems: list[Problem] = []
    body = lines[1:] if headed else lines
    if not body:
        raise ValueError("the file has a header and no row: nothing to read")
    for number, cells in body:
        wanted = (
            [(name, cells[at]) for at, name in known.items() if at < len(cells)] if headed else [(kind or "", cells[0])]
        )
        found, wrong = _row(wanted, with_domain=with_domain)
        values |= dict.fromkeys(found)
        problems += [Problem(number, each) for each in wrong]
    return Parsed(tuple(values), tuple(problems), len(body))


def _row(cells: list[tuple[str, str]], *, with_domain: bool) -> tuple[list[Value], list[str]]:
    found, wrong = [], []
    for name, cell in cells:
        if not cell.strip():
            continue
        try:
            found.append(parse(cell, name or None, with_domain=with_domain))
        except ValueError as error:
            wrong.append(str(error))
    if not found and not wrong:
        wrong.append("no phone, domain or email in it (a name counts in the list of chains only)")
    return ([], wrong) if wrong else (found, [])


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their line numbers, without those that are empty; comma, semicolon or tab between cells."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    csv.field_size_limit(MAX_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"line {begins}: the file is no CSV ({error})") from None
        if any(cell.strip() for cell in row):
            yield begins, row


def _header(cells: list[str]) -> Mapping[int, str]:
    """Column → kind for a first row that is a header; empty for a plain list.

    Raises:
        ValueError: the row reads like a header, and none of its columns is known.
    """
    names = [cell.strip().lower() for cell in cells]
    known = {at: COLUMNS[name] for at, name in enumerate(names) if name in COLUMNS}
    if not known and len(names) > 1:
        raise ValueError(
            f"line 1: none of the columns {', '.join(map(_short, names[:6]))} is known: name them {', '.join(sorted(COLUMNS))}"
        )
    return known


def _kind_of(word: str) -> str | None:
    if "@" in word:
        return "address"
    if re.fullmatch(r"[+(\d][\d\s().\-/+x]*", word) and sum(c.isdigit() for c in word) >= 7:
        return "phone"
    host = host_of(word)
    return "domain" if "." in host and not re.search(r"\s", word) else None


def _domain(word: str) -> str:
    host = host_of(word)
    try:
        host = idna.encode(host.rstrip("."), uts46=True).decode() if host else ""
    except idna.IDNAError:
        host = ""
    labels = host.split(".")
    if len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise ValueError(f"domain={_short(word)} is not a domain: write it as joes.com or https://www.joes.com/")
    domain = registrable_domain(host)
    if domain in FREE_MAIL:
        raise ValueError(f"domain={domain!r} belongs to a mail provider: exclude the address instead")
    if domain in OTHERS:
        raise ValueError(
            f"domain={domain!r} is a portal on which many businesses have a page: give the business's own domain"
        )
    return domain


def _address(word: str) -> str:
    if not _ADDRESS.fullmatch(word):
        raise ValueError(
            "email=… is not an e-mail address: write it as ana@joes.com"
        )  # does not repeat what may be one
    return normalise_address(word)


def _short(word: str) -> str:
    return repr(word if len(word) <= 60 else word[:57] + "…")
