"""Makes the businesses of one ZIP code and vertical: names, hosts, numbers, mail addresses. Pure functions of the seed."""

from __future__ import annotations

import datetime as dt
import functools
import random
import re
import unicodedata
from collections import Counter
from typing import Literal

from sandbox.model import Address, Business
from sandbox.world import geography
from sandbox.world.draws import share
from sandbox.world.vocabulary import CHAINS, MIDDLES, NON_ASCII, OWNERS, STREETS, VERTICALS, Vertical

LARGE_CITY = 20  # standard ZIP codes; a ZIP of such a city is four times as dense
DENSER = 4
LINES = 10_000  # telephone lines of one exchange
PER_ZIP_MOST = DENSER * max(kind.per_zip for kind in VERTICALS.values())
CHAIN_SHARE, SITE_SHARE, NON_ASCII_SHARE, MARKUP_SHARE, NO_PHONE_SHARE, GMAIL_SHARE = (
    0.05,
    0.88,
    0.06,
    0.004,
    0.05,
    0.12,
)
IDN_SHARE = 0.25  # of the names with other letters
NO_REVIEWS_SHARE = 0.05  # Yelp never shows these
EMAIL_SHOWN = {"mailto": 34, "json_ld": 8, "text": 18, "contact_page": 18, "obfuscated": 5, "none": 17}
_MAILBOXES = ("info", "info", "hello", "contact", "office", "frontdesk", "owner")
_Shown = Literal["mailto", "json_ld", "text", "contact_page", "obfuscated", "none"]


def cohort(seed: int, place: geography.Zip, vertical: str) -> tuple[Business, ...]:
    """All businesses of a vertical in a ZIP code, always in the same order."""
    rng = random.Random(f"{seed}:{place.code}:{vertical}")
    return tuple(_business(rng, place, vertical, i) for i in range(VERTICALS[vertical].per_zip * density(place)))


def density(place: geography.Zip) -> int:
    """How many times a small town's businesses a ZIP code has."""
    return DENSER if geography.size_of(place.city, place.state) >= LARGE_CITY else 1


def _business(rng: random.Random, place: geography.Zip, vertical: str, index: int) -> Business:
    kind = VERTICALS[vertical]
    chain = rng.choice(CHAINS[vertical]) if vertical in CHAINS and rng.random() < CHAIN_SHARE else None
    noun_at = rng.randrange(len(kind.nouns))
    name = chain or _name(rng, kind.nouns[noun_at])
    host = chain_host(chain) if chain else None
    if not chain and rng.random() < SITE_SHARE:
        host = own_host(name, f"{place.code}{kind.letter}{index}")
    email, shown = _email(rng, name, host, index)
    categories = {kind.yelp[min(noun_at, len(kind.yelp) - 1)]} | (
        {rng.choice(kind.yelp)} if rng.random() < 0.4 else set()
    )
    reviews = 0 if rng.random() < NO_REVIEWS_SHARE else min(4000, 1 + int(rng.lognormvariate(3.2, 1.3)))
    state: Literal["open", "closed_temporarily", "closed_permanently"] = "open"
    if (fate := rng.random()) > 0.95:
        state = "closed_temporarily" if fate > 0.98 else "closed_permanently"
    return Business(
        key=f"{place.code}{kind.letter}{index:04d}", name=name, vertical=vertical, yelp_categories=tuple(sorted(categories)),
        places_types=kind.places, address=_address(rng, place), phone=None if rng.random() < NO_PHONE_SHARE else _phone(place, kind, index),
        host=host, email=email, email_shown=shown, chain=chain, state=state,
        rating=None if reviews == 0 else round(min(5.0, max(1.0, rng.gauss(4.0, 0.6))) * 2) / 2,
        review_count=reviews, price=rng.choice(("$", "$$", "$$", "$$$", None)), employees=rng.randrange(1, 40),
        opened_on=dt.date(rng.randrange(1975, 2026), rng.randrange(1, 13), rng.randrange(1, 29)),
    )  # fmt: skip


def _name(rng: random.Random, noun: str) -> str:
    owner = rng.choice(NON_ASCII) if rng.random() < NON_ASCII_SHARE else rng.choice(OWNERS)
    middle, markup = rng.choice(MIDDLES), rng.random()
    if markup < MARKUP_SHARE / 4:  # an owner, or an attacker, who pastes HTML into a listing
        return f"{owner} {noun}<script>alert(1)</script>"
    if markup < MARKUP_SHARE:
        return f"{owner} <b>{noun}</b>"
    return " ".join(filter(None, (owner, middle, noun)))


def _address(rng: random.Random, place: geography.Zip) -> Address:
    return Address(
        f"{rng.randrange(1, 2400)} {rng.choice(STREETS)}", place.city, place.state, place.code,
        round(place.latitude + rng.uniform(-0.012, 0.012), 6), round(place.longitude + rng.uniform(-0.012, 0.012), 6),
    )  # fmt: skip


def _phone(place: geography.Zip, kind: Vertical, index: int) -> str:
    """A number of one of the ZIP's area codes and of exchange 555, which no person has."""
    code, start = _blocks()[place.code]
    apart = (ord(kind.letter) - ord("a")) * (LINES // len(VERTICALS))
    return f"+1{code}555{(start + apart + index) % LINES:04d}"


@functools.cache
def _blocks() -> dict[str, tuple[str, int]]:
    """ZIP code → area code and first line of its block of numbers.

    Blocks do not overlap while the area codes have room, so that no two businesses of a vertical share a number by chance.
    Where an area code is full (it has 10,000 lines of exchange 555 for dozens of towns) its blocks are used again.
    """
    used: Counter[str] = Counter()
    blocks = {}
    for place in geography.all_zips():
        size = PER_ZIP_MOST // DENSER * density(place)
        code = next((each for each in place.area_codes if used[each] + size <= LINES), place.area_codes[0])
        blocks[place.code] = (code, used[code])
        used[code] += size
    return blocks


def _email(rng: random.Random, name: str, host: str | None, index: int) -> tuple[str | None, _Shown]:
    shown: _Shown = rng.choices(list(EMAIL_SHOWN), weights=list(EMAIL_SHOWN.values()))[0]  # type: ignore[assignment]
    mailbox, free = rng.choice(_MAILBOXES), rng.random() < GMAIL_SHARE
    if host is None or shown == "none":
        return None, "none"
    local = slug(name).replace("-", "")[:20]
    return (f"{local}{index}@gmail.com" if free else f"{mailbox}@{host}"), shown


def chain_host(chain: str) -> str:
    """The host of a chain's central site."""
    return f"{slug(chain)}.example"


def own_host(name: str, where: str) -> str:
    """The host of a business's own site: its name and ``where`` (ZIP, letter, number), some of them international."""
    if not name.isascii() and share("idn", where) < IDN_SHARE:
        words = re.sub(r"[^\w]+", "-", re.sub(r"<[^>]*>", "", name).replace("'", "").lower()).strip("-")
        return f"{words[:24].strip('-')}-{where}".encode("idna").decode() + ".example"
    return f"{slug(name)}-{where}.example"


def slug(text: str) -> str:
    """Lower-case ASCII words joined by hyphens; never empty."""
    plain = unicodedata.normalize("NFKD", re.sub(r"<[^>]*>", "", text)).lower()
    plain = "".join(each for each in plain if not unicodedata.combining(each))
    for letter, latin in (("'", ""), ("ł", "l"), ("æ", "ae"), ("北京楼", "beijing-lou")):
        plain = plain.replace(letter, latin)
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "shop"
