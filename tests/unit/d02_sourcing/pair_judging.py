"""Judges labelled pairs and counts what the matcher made of them."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from leadfactory.d02_sourcing.grouping import groups
from leadfactory.d02_sourcing.listings import Listing, own_domain, path_of, phones


@dataclasses.dataclass(frozen=True)
class Judged:
    """One pair: what is true, what the matcher said, and a word about it."""

    kind: str
    true: bool
    said: bool
    about: str


@dataclasses.dataclass(frozen=True)
class Score:
    """Counts over judged pairs; precision and recall are 1 when nothing could be got wrong."""

    pairs: int
    precision: float
    recall: float


def listing(number: int, view: Mapping[str, Any]) -> Listing:
    """A listing from the fields of a labelled pair, as a source would give them."""
    phone, others, extension = phones(view.get("phone"))
    return Listing(
        sourced_id=uuid.UUID(int=number), rank=number, name=view["name"] or "", city=view.get("city"), street=view.get("street"),
        zip_code=view.get("zip_code"), phone=phone, latitude=view.get("latitude"), longitude=view.get("longitude"),
        state=view.get("state"), domain=own_domain(view.get("website")), site_path=path_of(view.get("website")),
        extension=extension, other_phones=others, categories=frozenset(view.get("categories") or ()),
    )  # fmt: skip


def judged(kind: str, true: bool, one: Mapping[str, Any], other: Mapping[str, Any], about: str = "") -> Judged:
    """Whether the matcher, blocking and all, puts the two into one group."""
    found = groups([listing(1, one), listing(2, other)])
    return Judged(kind, true, len(found) == 1, about)


def score(found: Iterable[Judged]) -> Score:
    """Precision and recall of "same"."""
    rows = list(found)
    told = [each for each in rows if each.said]
    true = [each for each in rows if each.true]
    right = sum(each.true for each in told)
    return Score(len(rows), right / len(told) if told else 1.0, right / len(true) if true else 1.0)


def table(found: Iterable[Judged]) -> str:
    """One line per kind: pairs, how many are one business, found, and wrong."""
    rows = list(found)
    kinds = sorted({(not each.true, each.kind) for each in rows})
    lines = [f"{'kind':<48}{'pairs':>6}{'same':>6}{'said':>6}{'wrong':>6}"]
    for different, kind in kinds:
        of = [each for each in rows if each.kind == kind and each.true is not different]
        wrong = sum(each.true != each.said for each in of)
        lines.append(f"{kind:<48}{len(of):>6}{sum(e.true for e in of):>6}{sum(e.said for e in of):>6}{wrong:>6}")
    total = score(rows)
    lines.append(f"{'all':<48}{total.pairs:>6}   precision {total.precision:.4f}   recall {total.recall:.4f}")
    return "\n".join(lines)
