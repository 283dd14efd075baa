"""Labelled pairs of a listing and a place, from the sandbox world's truth under the noise that two vendors really show.

A listing's candidates are its own place (when Google knows it) and the places that a search would put beside it: the most alike
by name, the nearest, one at random, and for some the same name in another city. The fit and the check come from different seeds.

``python -m tests.unit.d04_enrichment.match_pairs`` fits the log-odds and prints them with the figures of the check.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import random
import sys
import uuid
from collections.abc import Iterator
from typing import Any

from rapidfuzz import fuzz

from leadfactory.d02_sourcing.listings import from_yelp
from leadfactory.d04_enrichment.place_match import Wanted, judge
from leadfactory.d04_enrichment.policy import EVIDENCE, Match, policy
from sandbox.model import Business, GooglePlace
from sandbox.vendors.places_fields import whole
from sandbox.world import views
from sandbox.world.seeded import SeededWorld

FIT, CHECK = "calibration-fit", "calibration-check"
ZIPS = ("10001", "60614", "78701", "98101", "50309", "05401", "87501", "33130")
VERTICALS = ("restaurant", "dental", "beauty", "legal", "automotive")
SHARE = 0.2  # of the businesses of a ZIP code and vertical
NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)


@dataclasses.dataclass(frozen=True)
class Pair:
    """What was sourced, a candidate place in Google's own shape, and whether they truly are one business."""

    wanted: Wanted
    place: dict[str, Any]
    same: bool


def pairs(seed: str) -> Iterator[Pair]:
    """The pairs of one world."""
    world, rng = SeededWorld(seed), random.Random(seed)
    for code in ZIPS:
        for vertical in VERTICALS:
            cohort = world.cohort(code, vertical)
            chosen = [each for each in cohort if rng.random() < SHARE]
            for business in chosen:
                wanted = _wanted(rng, world, business)
                own = views.on_google(world.seed, business)
                if own is not None and own.address.city == business.address.city:
                    yield Pair(wanted, _place(rng, own, business), True)
                elif own is not None:
                    yield Pair(wanted, _place(rng, own, business), False)
                for other in _beside(rng, business, cohort):
                    place = views.on_google(world.seed, other)
                    if place is not None:
                        yield Pair(wanted, _place(rng, place, other), False)


def _beside(rng: random.Random, business: Business, cohort: tuple[Business, ...]) -> list[Business]:
    others = [each for each in cohort if each.key != business.key]
    at = business.address
    by_name = max(others, key=lambda each: fuzz.token_sort_ratio(each.name, business.name))
    nearest = min(
        others, key=lambda each: abs(each.address.latitude - at.latitude) + abs(each.address.longitude - at.longitude)
    )
    picked = {each.key: each for each in (by_name, nearest, rng.choice(others))}
    return list(picked.values())


def _wanted(rng: random.Random, world: SeededWorld, business: Business) -> Wanted:
    listing = views.on_yelp(world.seed, business)[0]
    at = listing.address
    line = at.line1 if rng.random() > 0.06 else ""
    point = (
        {"latitude": at.latitude, "longitude": at.longitude}
        if rng.random() > 0.04
        else {"latitude": None, "longitude": None}
    )
    said = {
        "id": listing.yelp_id, "name": listing.name, "phone": listing.phone or "",
        "coordinates": point,
        "location": {"address1": line, "city": at.city, "state": at.state, "zip_code": at.zip_code, "country": "US"},
    }  # fmt: skip
    domain = business.host if business.host and rng.random() < 0.3 else None
    return Wanted(from_yelp(uuid.uuid4(), 0, said), domain, frozenset(business.places_types))


def _place(rng: random.Random, place: GooglePlace, business: Business) -> dict[str, Any]:
    """A place as Google would know it: another spelling, a second number, a pin down the street, a page elsewhere."""
    at = place.address
    far = rng.random() < 0.05
    spread = 0.004 if far else 0.00022
    line = at.line1
    if rng.random() < 0.05:
        line = f"{rng.randrange(1, 2400)} {line.partition(' ')[2]}"
    elif rng.random() < 0.08:
        line = f"{line} # {rng.randrange(1, 30)}"
    address = dataclasses.replace(
        at, line1=line, latitude=at.latitude + rng.gauss(0, spread), longitude=at.longitude + rng.gauss(0, spread)
    )
    phone, fate = place.phone, rng.random()
    if fate < 0.08:
        phone = None
    elif fate < 0.15:
        phone = f"+1{rng.choice(('888', '877', '646'))}555{rng.randrange(10_000):04d}"
    website = (
        None
        if rng.random() < 0.1
        else f"https://page-{rng.randrange(999)}.example/"
        if rng.random() < 0.05
        else place.website
    )
    types = ("store",) if rng.random() < 0.06 else business.places_types
    known = dataclasses.replace(
        place, name=_name(rng, place.name, at.city), phone=phone, website=website, address=address
    )
    body = whole(known, dataclasses.replace(business, places_types=types), NOW)
    for field, missing in (("addressComponents", 0.08), ("location", 0.05), ("types", 0.04)):
        if rng.random() < missing:
            body.pop(field, None)
    body.pop("formattedAddress", None)  # our mask does not ask for it
    return body


def _name(rng: random.Random, name: str, city: str) -> str:
    words, fate = name.split(), rng.random()
    if fate < 0.06 and len(words) > 2:
        return " ".join(words[:1] + words[2:])
    if fate < 0.14:
        return rng.choice(
            (f"{name} of {city}", f"{name} - {city}", f"The {name} Company", f"{name} Downtown", f"{name}, Inc.")
        )
    if fate < 0.18 and len(name) > 6:
        cut = rng.randrange(2, len(name) - 2)
        return name[:cut] + name[cut + 1] + name[cut] + name[cut + 2 :]
    if fate < 0.20:
        return f"{rng.choice(('Blue Heron', 'Corner Stone', 'Two Sisters'))} {words[-1]}"
    return name


@dataclasses.dataclass(frozen=True)
class Reliability:
    """How far confidences are to be believed: mean squared error, expected calibration error, and its table by tenths."""

    pairs: int
    brier: float
    ece: float
    table: tuple[tuple[str, int, float, float], ...]
    wrongly_accepted: int
    accepted: int
    same: int
    found: int


def reliability(judged: list[tuple[float, bool, bool]], bins: int = 10) -> Reliability:
    """Of (confidence, accepted, truly the same)."""
    count = len(judged)
    brier = sum((sure - same) ** 2 for sure, _, same in judged) / count
    table, ece = [], 0.0
    for n in range(bins):
        here = [(sure, same) for sure, _, same in judged if n == min(int(sure * bins), bins - 1)]
        if here:
            said, true = sum(s for s, _ in here) / len(here), sum(t for _, t in here) / len(here)
            ece += len(here) / count * abs(said - true)
            table.append((f"{n / bins:.1f}-{(n + 1) / bins:.1f}", len(here), said, true))
    taken = [(accepted, same) for _, accepted, same in judged if accepted]
    return Reliability(
        count, brier, ece, tuple(table), sum(not same for _, same in taken), len(taken), sum(same for _, _, same in judged),
        sum(same for _, same in taken),
    )  # fmt: skip


def checked(rules: Match, seed: str = CHECK) -> Reliability:
    """The figures of ``rules`` on the pairs of ``seed``."""
    judged = []
    for pair in pairs(seed):
        each = judge(pair.wanted, pair.place, rules)
        judged.append((each.confidence, each.accepted(rules), pair.same))
    return reliability(judged)


def fit(seed: str = FIT, penalty: float = 1.0) -> tuple[float, dict[str, float]]:
    """Log-odds by Newton's method on the log-likelihood with an L2 penalty (not on the intercept)."""
    import numpy as np

    rules = policy().match
    rows, labels = [], []
    for pair in pairs(seed):
        evidence = judge(pair.wanted, pair.place, rules).evidence
        rows.append([1.0, *(float(code in evidence) for code in EVIDENCE)])
        labels.append(float(pair.same))
    x, y = np.array(rows), np.array(labels)
    weights = np.zeros(x.shape[1])
    ridge = np.diag([1e-6, *([penalty] * len(EVIDENCE))])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        gradient = x.T @ (y - p) - ridge @ weights
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + ridge
        step = np.linalg.solve(hessian, gradient)
        weights += step
        if abs(step).max() < 1e-8:
            break
    odds = {code: round(float(w), 2) for code, w in zip(EVIDENCE, weights[1:], strict=True)}
    for code in EVIDENCE:  # what agrees never speaks against, what differs never for: noise about nothing is nothing
        odds[code] = (
            max(0.0, odds[code])
            if code.endswith("_same")
            else min(0.0, odds[code])
            if code.endswith("_differs")
            else odds[code]
        )
    return round(float(weights[0]), 2), odds


def lines(found: Reliability) -> list[str]:
    """The reliability table as text."""
    head = f"{found.pairs} pairs, Brier {found.brier:.4f}, ECE {found.ece:.4f}; accepted {found.accepted}, wrongly {found.wrongly_accepted}; "
    head += f"found {found.found} of {found.same}"
    return [head, "confidence  pairs  said  true"] + [
        f"{name:>10} {n:>6} {said:>5.3f} {true:>5.3f}" for name, n, said, true in found.table
    ]


if __name__ == "__main__":
    intercept, coefficients = fit()
    new = policy().match.model_copy(update={"intercept": intercept, "coefficients": coefficients})
    sys.stdout.write(
        f"intercept: {intercept}\n" + "\n".join(f"{code}: {odds}" for code, odds in coefficients.items()) + "\n"
    )
    sys.stdout.write("\n".join(lines(checked(new))) + "\n")
