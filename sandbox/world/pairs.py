"""Labelled pairs of listings: two views of one business with noise, or of two businesses that look alike. Truth by construction.

Every pair keeps enough for a careful person to tell: at least two of telephone, door, name, website and pin speak for sameness,
or one plainly against it. The noise lists here are disjoint from those of the matcher under test; a test holds that.
"""

from __future__ import annotations

import dataclasses
import random
import string
from collections.abc import Callable

from sandbox.model import Business
from sandbox.world import businesses, geography
from sandbox.world.vocabulary import CHAINS, VERTICALS

# How people shorten words when nobody told them how: none of these is a standard abbreviation.
STREET_SHORT = {"Street": ("Strt", "Stret"), "Avenue": ("Avnue", "Avne"), "Boulevard": ("Boul", "Bulevard"), "Road": ("Raod",),
                "Drive": ("Drv", "Driv"), "Lane": ("Lne",), "Place": ("Plce",), "Broadway": ("Brdway", "Brodway")}  # fmt: skip
NAME_SHORT = {"Dental": "Dntl", "Dentistry": "Dentstry", "Orthodontics": "Orthodntcs", "Attorneys": "Attrnys", "Plumbing": "Plumbng", "Roofing": "Roofng",
              "Landscaping": "Landscpng", "Pediatrics": "Pediatrcs", "Dermatology": "Dermatolgy", "Barbers": "Barbrs", "Fitness": "Fitnss",
              "Accounting": "Accntng", "Veterinary": "Vetrinary", "Hospital": "Hosptl", "Kitchen": "Kitchn", "Trattoria": "Tratoria",
              "Properties": "Propertis", "Furniture": "Furnitre", "Jewelers": "Jewlers", "Medical": "Medcal", "Family": "Famly",
              "Preschool": "Preschol", "Electric": "Electrc", "Financial": "Financl"}  # fmt: skip
UNIT_WORDS = ("Ofc", "Ste.", "Suite", "#", "Unit")  # three of them are everybody's
LONG_ENDINGS = {
    " St": " Street",
    " Ave": " Avenue",
    " Blvd": " Boulevard",
    " Rd": " Road",
    " Dr": " Drive",
    " Ln": " Lane",
    " Pl": " Place",
}
_TAILS = (", LLC", " Inc.", " of {city}", " - {city}", " {city}", ", P.C.", " & Co.")


@dataclasses.dataclass(frozen=True)
class View:
    """A business as one source lists it; what the source does not say is None."""

    name: str
    street: str | None
    city: str | None
    state: str | None
    zip_code: str | None
    phone: str | None
    website: str | None
    latitude: float | None
    longitude: float | None


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two views, whether they are one business, and the kind of difficulty."""

    one: View
    other: View
    same: bool
    kind: str


def pairs(seed: int, count: int) -> list[Pair]:
    """``count`` pairs, all kinds in turn; a pure function of its arguments."""
    rng = random.Random(f"{seed}:pairs")
    towns = [place for place in geography.all_zips() if place.code.startswith(("1", "3", "6", "7", "9"))]
    kinds: list[tuple[str, bool, Callable[[random.Random, Business], tuple[View, View]]]] = [
        *((name, True, make) for name, make in SAME.items()),
        *((name, False, make) for name, make in DIFFERENT.items()),
    ]
    made = []
    for number in range(count):
        name, same, make = kinds[number % len(kinds)]
        business = _business(rng, towns, seed)
        one, other = make(rng, business)
        made.append(Pair(*((one, other) if rng.random() < 0.5 else (other, one)), same, name))
    return made


def _business(rng: random.Random, towns: list[geography.Zip], seed: int) -> Business:
    while True:
        found = rng.choice(businesses.cohort(seed, rng.choice(towns), rng.choice(list(VERTICALS))))
        if found.phone and not found.chain and "<" not in found.name:
            return found


def _view(business: Business, **changes: object) -> View:
    at = business.address
    website = f"https://{business.host}/" if business.host else None
    base = View(
        business.name, at.line1, at.city, at.state, at.zip_code, business.phone, website, at.latitude, at.longitude
    )
    return dataclasses.replace(base, **changes)  # type: ignore[arg-type]


# ── noise ────────────────────────────────────────────────────────────────────────────────────────
def typo(rng: random.Random, text: str) -> str:
    """One slip of the hand in the longest word: two letters swapped, one left out, doubled or mistaken for another."""
    words = text.split(" ")
    at = max(range(len(words)), key=lambda n: (len(words[n]), n))
    word = words[at]
    if len(word) < 5 or not word.isascii() or not word.isalpha():
        return text
    spot = rng.randrange(1, len(word) - 1)
    words[at] = rng.choice((
        word[:spot] + word[spot + 1] + word[spot] + word[spot + 2 :], word[:spot] + word[spot + 1 :],
        word[:spot] + word[spot] + word[spot:], word[:spot] + rng.choice(string.ascii_lowercase) + word[spot + 1 :],
    ))  # fmt: skip
    return " ".join(words)


def respelt_name(rng: random.Random, name: str, city: str) -> str:
    """A name as another hand writes it."""
    short = next((word for word in NAME_SHORT if word in name), None)
    choices = [
        f"The {name}", name.upper(), name.replace("'s", "s"), name.replace("&", "and"), name + rng.choice(_TAILS).format(city=city),
        typo(rng, name), name.lower(),
    ]  # fmt: skip
    if short:
        choices += [name.replace(short, NAME_SHORT[short])] * 2
    return rng.choice(choices)


def respelt_street(rng: random.Random, line: str) -> str:
    """A street line as another hand writes it."""
    long = next((line.removesuffix(short) + full for short, full in LONG_ENDINGS.items() if line.endswith(short)), line)
    ending = long.rsplit(" ", 1)[-1]
    choices = [long, long.upper(), line.lower(), f"{line}, {rng.choice(UNIT_WORDS)} {rng.randrange(1, 40)}"]
    if ending in STREET_SHORT:
        choices += [long.removesuffix(ending) + rng.choice(STREET_SHORT[ending])] * 2
    return rng.choice(choices)


def respelt_phone(rng: random.Random, phone: str) -> str:
    """A number as another hand writes it."""
    digits = phone.removeprefix("+1")
    a, b, c = digits[:3], digits[3:6], digits[6:]
    return rng.choice((f"({a}) {b}-{c}", f"{a}.{b}.{c}", f"1-{a}-{b}-{c}", digits, f"+1 {a} {b} {c}", phone))


def _other_phone(rng: random.Random, phone: str) -> str:
    return f"{phone[:-4]}{(int(phone[-4:]) + rng.randrange(1, 9_000)) % 10_000:04d}"


def _jittered(rng: random.Random, business: Business, metres: float) -> dict[str, float]:
    shift = metres / 111_000
    at = business.address
    return {
        "latitude": at.latitude + rng.uniform(-shift, shift),
        "longitude": at.longitude + rng.uniform(-shift, shift),
    }


def _noisy(rng: random.Random, business: Business, **changes: object) -> View:
    at = business.address
    base: dict[str, object] = {
        "name": respelt_name(rng, business.name, at.city), "street": respelt_street(rng, at.line1),
        "phone": respelt_phone(rng, business.phone or ""), "zip_code": f"{at.zip_code}-{rng.randrange(1000, 9999)}" if rng.random() < 0.3 else at.zip_code,
        **_jittered(rng, business, 20),
    }  # fmt: skip
    return _view(business, **(base | changes))


# ── one business ─────────────────────────────────────────────────────────────────────────────────
def _two_spellings(rng: random.Random, b: Business) -> tuple[View, View]:
    return _view(b), _noisy(rng, b, phone=rng.choice((None, respelt_phone(rng, b.phone or ""))))


def _renamed(rng: random.Random, b: Business) -> tuple[View, View]:
    new = f"{rng.choice(('Harborview', 'Cypress', 'Larkspur', 'Ironwood'))} {b.name.split(' ')[-1]}"
    return _view(b), _noisy(rng, b, name=new)


def _second_number(rng: random.Random, b: Business) -> tuple[View, View]:
    return _view(b), _noisy(rng, b, phone=_other_phone(rng, b.phone or ""))


def _without_address(rng: random.Random, b: Business) -> tuple[View, View]:
    gone = {"street": None, "latitude": None, "longitude": None}
    return _view(b), _noisy(rng, b, **gone)


def _by_pin(rng: random.Random, b: Business) -> tuple[View, View]:
    return _view(b), _noisy(rng, b, street=None, phone=None)


def _by_website(rng: random.Random, b: Business) -> tuple[View, View]:
    site = f"http://www.{b.host}/contact?utm_source=list" if b.host else None
    gone = {"street": None, "latitude": None, "longitude": None, "website": site}
    phone = None if b.host else b.phone
    return _view(b), _noisy(rng, b, **gone, phone=phone)


def _number_slipped(rng: random.Random, b: Business) -> tuple[View, View]:
    number, _, street = b.address.line1.partition(" ")
    wrong = (
        number[:-2] + number[-1] + number[-2]
        if len(number) > 2 and number[-1] != number[-2]
        else number + "0"[: len(number) < 4]
    )
    return _view(b), _noisy(rng, b, street=f"{wrong} {street}", name=b.name)


# ── two businesses ───────────────────────────────────────────────────────────────────────────────
def _elsewhere(rng: random.Random, b: Business) -> dict[str, object]:
    """Another door in the same town, some blocks away."""
    number = int(b.address.line1.split(" ")[0]) + rng.randrange(300, 900)
    away = rng.uniform(0.006, 0.012) * rng.choice((-1, 1))
    return {"street": f"{number} {b.address.line1.split(' ', 1)[1]}", "latitude": b.address.latitude + away}


def _branches(rng: random.Random, b: Business) -> tuple[View, View]:
    chain = rng.choice(CHAINS.get(b.vertical) or [f"{b.name} Express"])
    site = f"https://{businesses.chain_host(chain)}/"
    central = rng.choice((None, "+18005550142", b.phone))
    phones = (central, central) if central else (b.phone, _other_phone(rng, b.phone or ""))
    signs = (
        (" - Old Town", " - Harbor Side") if central == b.phone else ("", "")
    )  # a local number alone would tell of a move
    one = _view(b, name=chain + signs[0], website=site, phone=phones[0])
    return one, _view(b, name=chain + signs[1], website=site, phone=phones[1], **_elsewhere(rng, b))


def _neighbours(rng: random.Random, b: Business) -> tuple[View, View]:
    other = f"{rng.choice(('Okonkwo', 'Lindqvist', 'Marchetti', 'Vasquez'))} {rng.choice(('Law Group', 'Tax Service', 'Yoga', 'Realty'))}"
    line = b.address.line1
    return _view(b, street=f"{line} Suite 4"), _view(
        b,
        name=other,
        street=f"{line} Suite {rng.randrange(5, 30)}",
        phone=_other_phone(rng, b.phone or ""),
        website=None,
    )


def _successor(rng: random.Random, b: Business) -> tuple[View, View]:
    new = f"{rng.choice(('Copperline', 'Sandbar', 'Juniper', 'Hightower'))} {b.name.split(' ')[-1]}"
    return _view(b), _view(b, name=new, phone=_other_phone(rng, b.phone or ""), website=None)


def _across_the_street(rng: random.Random, b: Business) -> tuple[View, View]:
    number = b.address.line1.split(" ")[0]
    one, other = rng.choice(
        (("E 30th St", "W 30th St"), ("30th St", "31st St"), ("Maple St", "Maple Ave"), ("N Oak Rd", "S Oak Rd"))
    )
    far = {"latitude": b.address.latitude + 0.004}
    return _view(b, street=f"{number} {one}"), _view(
        b, street=f"{number} {other}", phone=_other_phone(rng, b.phone or ""), website=None, **far
    )


def _other_town(rng: random.Random, b: Business) -> tuple[View, View]:
    away = {"city": "Springfield", "state": "MO", "zip_code": "65806", "latitude": 37.2044, "longitude": -93.2927}
    phone = rng.choice((None, "+14175550188"))
    return _view(b), _view(b, phone=phone, website=None, **away)


def _switchboard(rng: random.Random, b: Business) -> tuple[View, View]:
    other = f"{rng.choice(('Okonkwo', 'Lindqvist', 'Marchetti', 'Vasquez'))} {b.name.split(' ')[-1]}"
    return _view(b), _view(b, name=other, website=None, **_elsewhere(rng, b))


def _department(rng: random.Random, b: Business) -> tuple[View, View]:
    part = rng.choice(("Pharmacy", "ATM", "Optical", "Garden Center"))
    return _view(b), _view(b, name=f"{b.name} {part}", phone=_other_phone(rng, b.phone or ""))


def _one_family(rng: random.Random, b: Business) -> tuple[View, View]:
    number, _, street = b.address.line1.partition(" ")
    owner = b.name.split(" ")[0]
    nouns = [each for each in VERTICALS[b.vertical].nouns if not b.name.endswith(each)] or ["Annex"]
    return _view(b), _view(
        b, name=f"{owner} {rng.choice(nouns)}", street=f"{int(number) + 2 * rng.randrange(2, 9)} {street}",
        phone=_other_phone(rng, b.phone or ""), website=None, **_jittered(rng, b, 60),
    )  # fmt: skip


SAME: dict[str, Callable[[random.Random, Business], tuple[View, View]]] = {
    "two spellings": _two_spellings, "renamed at the same number and door": _renamed, "second number": _second_number,
    "no address": _without_address, "name and pin": _by_pin, "name and website": _by_website, "house number mistyped": _number_slipped,
}  # fmt: skip
DIFFERENT: dict[str, Callable[[random.Random, Business], tuple[View, View]]] = {
    "branches of a chain": _branches, "neighbours in a house": _neighbours, "successor at the door": _successor,
    "another street of nearly that name": _across_the_street, "namesake in another town": _other_town, "one switchboard": _switchboard,
    "a department": _department, "one family, two doors": _one_family,
}  # fmt: skip
