"""What the lake holds of the configuration, so that analysts need no YAML: one file each, written with the registries."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from leadfactory.d01_targeting.verticals import verticals
from leadfactory.d09_delivery.policy import policy

VERTICALS = pa.schema(
    [
        ("vertical", pa.string()),
        ("ticket", pa.string()),
        ("urgency", pa.string()),
        ("maturity", pa.string()),
        ("yelp_categories", pa.string()),
        ("season_months", pa.string()),
    ]
)
RULES = pa.schema([("rule", pa.string()), ("value", pa.float64())])


def tables() -> dict[str, tuple[pa.Schema, list[tuple[Any, ...]]]]:
    """Table → its schema and rows, in an order."""
    rows = [
        (slug, each.ticket, each.urgency, each.maturity, ",".join(each.yelp), ",".join(map(str, each.season)))
        for slug, each in sorted(verticals().items())
    ]
    rules = sorted((rule, float(value)) for rule, value in policy().auto_pause.model_dump().items())
    return {"verticals": (VERTICALS, rows), "delivery_rules": (RULES, rules)}
