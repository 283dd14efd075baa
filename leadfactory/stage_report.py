"""What a stage says about itself when it has run: the figures that become an asset's metadata and the CLI's lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from leadfactory.campaign_day import CampaignDay


@dataclasses.dataclass(frozen=True)
class StageReport:
    """One run of one stage over one campaign-day.

    ``rows_in = rows_out + rows_rejected + rows_open``; ``rows_reused`` of ``rows_out`` were stored before this run;
    ``rows_open`` are listed with a reason and will be tried again. ``spend_microusd`` is in millionths of a US dollar.
    ``state`` is the campaign-day's. ``counts`` are named tallies without personal data; ``chart`` is ``label → number``
    for the one inline plot of the rooms that have one, ``stacks`` ``label → part → number`` where bars have parts.
    """

    asset: str
    unit: CampaignDay
    state: str
    rows_in: int = 0
    rows_out: int = 0
    rows_rejected: int = 0
    rows_reused: int = 0
    rows_open: int = 0
    calls: int = 0
    spend_microusd: int = 0
    seconds: float = 0.0
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)
    chart: Mapping[str, float] = dataclasses.field(default_factory=dict)
    chart_title: str = ""
    stacks: Mapping[str, Mapping[str, float]] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """The report as plain JSON."""
        plain = dataclasses.asdict(self)
        plain["unit"] = self.unit.key
        return plain
