"""Whether an experiment may start: how many weeks it needs at today's volume, and who accepted more than the limit."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from typing import TYPE_CHECKING

import sqlalchemy as sa

from leadfactory.d11_experiments import statistics
from leadfactory.d11_experiments.tables import experiments

if TYPE_CHECKING:
    from leadfactory.d11_experiments.definitions import Experiment

MOST_WEEKS = 26  # design/resolutions: longer needs a person's word
LOOKED_BACK = dt.timedelta(weeks=4)


class NotAccepted(ValueError):
    """There is no such draft to accept; the message says what there is."""


@dataclasses.dataclass(frozen=True)
class Forecast:
    """How long an experiment takes. ``a_week`` and ``weeks`` are None while nobody was mailed in the last four weeks.

    ``at_most_a_week`` is what the launched campaigns would mail if every business of their quotas were; None without such a campaign.
    """

    needed: int
    a_week: float | None
    weeks: int | None
    at_most_a_week: float | None = None

    @property
    def least_weeks(self) -> int | None:
        """The weeks that it takes at least, by volume or, before there is one, by the quotas."""
        return (
            self.weeks
            if self.weeks is not None or not self.at_most_a_week
            else math.ceil(self.needed / self.at_most_a_week)
        )

    @property
    def weak(self) -> bool:
        """True when it surely takes longer than the limit."""
        return self.least_weeks is not None and self.least_weeks > MOST_WEEKS

    def sentence(self) -> str:
        """For a person."""
        if self.weeks is not None:
            return (
                f"needs {self.needed:,} businesses, {self.weeks} weeks at today's volume of {self.a_week:,.0f} a week"
            )
        told = f"needs {self.needed:,} businesses; how long that takes is unknown: nobody was mailed in the last four weeks"
        if self.least_weeks is None:
            return told
        return f"{told} (at least {self.least_weeks} weeks, if all {self.at_most_a_week:,.0f} a week of today's quotas were)"


def needed(experiment: Experiment) -> int:
    """Exposed businesses after which the smallest worthwhile effect is found, for the arm that takes longest."""
    design, plan = experiment.design, experiment.plan
    counts = [
        statistics.exposures_needed(
            design.base_rate, design.minimum_effect, plan.share(arm), plan.alpha_each, plan.power
        )
        * sum(experiment.arms.values())
        / (experiment.arms[arm] + experiment.arms[plan.control])
        for arm in experiment.arms
        if arm != plan.control
    ]
    return math.ceil(max(counts))


def forecast(tx: sa.Connection, experiment: Experiment, now: dt.datetime) -> Forecast:
    """What the experiment needs, and the weeks that takes at the volume of the last four."""
    first = tx.scalar(
        sa.text("SELECT min(claimed_at) FROM email_sends WHERE claimed_at >= :since AND claimed_at < :now"),
        {"since": now - LOOKED_BACK, "now": now},
    )
    whole, design = needed(experiment), experiment.design
    share = (design.traffic_bp[1] - design.traffic_bp[0]) / 10_000 * sum(experiment.arms.values()) / 10_000
    if first is None:
        quotas = tx.scalar(sa.text("SELECT sum(daily_quota) FROM campaigns WHERE state = 'launched'"))
        return Forecast(whole, None, None, 7 * int(quotas) * share if quotas else None)
    mailed = tx.scalar(
        sa.text(
            "SELECT count(DISTINCT business_id) FROM email_sends WHERE step = 1 AND claimed_at >= :since AND claimed_at < :now"
        ),
        {"since": now - LOOKED_BACK, "now": now},
    )
    a_week = (mailed or 0) / max((now - first) / dt.timedelta(weeks=1), 1.0) * share
    return Forecast(whole, a_week, math.ceil(whole / a_week) if a_week else None)


def state(tx: sa.Connection, experiment: Experiment, now: dt.datetime, *, accepted: bool) -> str:
    """The state that the experiment of a file has in the table: one that would run too long stays a draft until accepted."""
    if experiment.state != "running" or accepted:
        return experiment.state
    return "draft" if forecast(tx, experiment, now).weak else "running"


def begun(tx: sa.Connection, name: str, version: int) -> bool:
    """Whether somebody of the version was mailed: from then on it is judged by what it says and no more by its forecast."""
    found = tx.scalar(
        sa.text(
            "SELECT EXISTS (SELECT FROM experiment_assignments "
            "WHERE experiment = :name AND version = :version AND exposed_at IS NOT NULL)"
        ),
        {"name": name, "version": version},
    )
    return bool(found)


def accept_weak(tx: sa.Connection, name: str, by: str, now: dt.datetime) -> None:
    """Lets the newest version of a draft start although it takes longer than the limit.

    Raises:
        NotAccepted: when ``name`` has no draft.
    """
    newest = tx.scalar(sa.select(sa.func.max(experiments.c.version)).where(experiments.c.experiment == name))
    done = tx.execute(
        sa.update(experiments)
        .where(experiments.c.experiment == name, experiments.c.version == newest, experiments.c.state == "draft")
        .values(accepted_weak_at=now, accepted_weak_by=by)
    )
    if done.rowcount == 0:
        drafts = list(tx.scalars(sa.select(experiments.c.experiment).where(experiments.c.state == "draft")))
        raise NotAccepted(f"experiment {name!r} waits for nobody's word; drafts: {', '.join(sorted(drafts)) or 'none'}")
