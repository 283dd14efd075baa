"""Stripe's lists: filters, cursors and pages, newest first."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from sandbox.vendors.stripe_objects import page
from sandbox.vendors.stripe_request import BadRequest, integer
from sandbox.vendors.wire import Json

_BOUNDS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def listed(entries: list[Json], given: Json, url: str, filters: Sequence[str]) -> Json:
    """A page of ``entries`` (given oldest first); ``filters`` are the members a parameter may fix. Raises BadRequest."""
    limit = integer(given, "limit", 1, 100, default=10) or 10
    kept = [one for one in reversed(entries) if all(one[name] == given[name] for name in filters if name in given)]
    kept = [one for one in kept if _created(one.get("created", 0), given.get("created"))]
    after, before = given.get("starting_after"), given.get("ending_before")
    if after and before:
        raise BadRequest("You cannot parameterize both starting_after and ending_before.", "starting_after")
    ids = [one["id"] for one in kept]
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor and cursor not in ids:
            raise BadRequest(f"No such object: '{cursor}'", name, "resource_missing")
    if before:
        newer = kept[: ids.index(before)]
        return page(newer[-limit:], url, len(newer) > limit)
    rest = kept[ids.index(after) + 1 :] if after else kept
    return page(rest[:limit], url, len(rest) > limit)


def _created(at: int, asked: Any) -> bool:
    if asked is None:
        return True
    if not isinstance(asked, dict):
        return at == integer({"created": asked}, "created", 0, 2**40)
    for name, text in asked.items():
        if name not in _BOUNDS:
            raise BadRequest(f"Received unknown parameter: created[{name}]", f"created[{name}]", "parameter_unknown")
        bound = integer({name: text}, name, 0, 2**40, f"created[{name}]")
        if bound is None or not _BOUNDS[name](at, bound):
            return False
    return True
