"""Statements that are made once and asked often: making one in Python takes longer than the server takes to answer it.

What makes such a statement takes ``ANY_UNIT`` for the campaign-day, and whoever asks it gives ``of(unit)`` with the other values.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay


@dataclasses.dataclass(frozen=True)
class AnyUnit:
    """Stands in a statement for the campaign-day of which it will be asked."""

    campaign: sa.BindParameter[str]
    day: sa.BindParameter[dt.date]


ANY_UNIT = AnyUnit(sa.bindparam("unit_campaign"), sa.bindparam("unit_day"))


def any_unit(unit: CampaignDay | None) -> AnyUnit | None:
    """``ANY_UNIT``, or None where ``unit`` is: a statement of all campaign-days is another one."""
    return None if unit is None else ANY_UNIT


def of(unit: CampaignDay | None) -> dict[str, Any]:
    """The values with which a statement of ``ANY_UNIT`` is asked."""
    return {} if unit is None else {"unit_campaign": unit.campaign, "unit_day": unit.day}
