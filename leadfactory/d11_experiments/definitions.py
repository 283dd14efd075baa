"""Experiments as files: experiments/*.yaml checked and loaded into the table, where a version never changes."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import yaml_config
from leadfactory.d11_experiments import launches
from leadfactory.d11_experiments.readout import Plan
from leadfactory.d11_experiments.tables import experiments
from leadfactory.settings import ROOT

PATH = ROOT / "experiments" / "production.yaml"
WHOLE = 10_000  # basis points
GLOBAL = "global_holdout"
Metric = Literal["opened", "clicked", "replied", "purchased", "bounced", "complained", "unsubscribed"]


class Design(pydantic.BaseModel):
    """What an experiment is judged by, fixed before its first mail.

    ``changes`` names what an arm changes; ``layer`` and ``traffic_bp`` give it a part of the businesses of its own (two
    experiments of one layer never share one); rates are events per exposed business, ``minimum_effect`` is relative.
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    changes: Literal["subject_line", "price", "template", "send_time"]
    control: str
    metric: Metric
    base_rate: float = pydantic.Field(gt=0, lt=1)
    minimum_effect: float = pydantic.Field(gt=-1)
    guardrails: dict[Metric, Annotated[float, pydantic.Field(gt=0, lt=1)]] = {}
    alpha: float = pydantic.Field(0.05, gt=0, lt=0.5)
    power: float = pydantic.Field(0.8, gt=0, lt=1)
    layer: str = pydantic.Field(min_length=1)
    traffic_bp: tuple[int, int] = (0, WHOLE)
    starts_on: dt.date | None = None
    ends_on: dt.date | None = None

    @pydantic.field_validator("minimum_effect")
    @classmethod
    def _some_effect(cls, effect: float) -> float:
        if effect == 0:
            raise ValueError("no test finds an effect of 0: give the smallest change worth having, such as 0.5")
        return effect

    @pydantic.model_validator(mode="after")
    def _in_order(self) -> Design:
        first, end = self.traffic_bp
        if not 0 <= first < end <= WHOLE:
            raise ValueError(f"traffic_bp is {list(self.traffic_bp)}: from and to, within 0 and {WHOLE}")
        if self.starts_on and self.ends_on and self.ends_on < self.starts_on:
            raise ValueError(f"ends_on {self.ends_on} is before starts_on {self.starts_on}")
        return self

    def open_on(self, day: dt.date) -> bool:
        """Whether the experiment takes businesses on this day."""
        return (self.starts_on is None or self.starts_on <= day) and (self.ends_on is None or day <= self.ends_on)


class Experiment(pydantic.BaseModel):
    """One experiment. ``arms`` are basis points and sum with ``holdout_bp`` to 10,000; ``verticals`` None means all."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    version: pydantic.PositiveInt
    state: Literal["draft", "running", "stopped"]
    salt: str = pydantic.Field(min_length=8)
    arms: dict[str, pydantic.PositiveInt] = pydantic.Field(min_length=2)
    holdout_bp: pydantic.NonNegativeInt = 0
    verticals: tuple[str, ...] | None = None
    design: Design

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Experiment:
        total = sum(self.arms.values()) + self.holdout_bp
        if total != WHOLE:
            raise ValueError(f"arms and holdout_bp sum to {total} basis points: make it {WHOLE}")
        if "holdout" in self.arms:
            raise ValueError("an arm is called holdout: use holdout_bp")
        if self.design.control not in self.arms:
            raise ValueError(f"design.control is {self.design.control!r}: name one of the arms {sorted(self.arms)}")
        return self

    @property
    def plan(self) -> Plan:
        """What the read-out judges by."""
        d = self.design
        return Plan(
            d.control,
            self.arms,
            d.metric,
            d.minimum_effect,
            {str(name): rate for name, rate in d.guardrails.items()},
            d.alpha,
            d.power,
        )


class GlobalHoldout(pydantic.BaseModel):
    """Businesses that no experiment and no mail reaches, whatever is tried on the others: the same ones for ever."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    version: pydantic.PositiveInt
    salt: str = pydantic.Field(min_length=8)
    holdout_bp: int = pydantic.Field(gt=0, le=WHOLE // 2)


class ExperimentsFile(pydantic.BaseModel):
    """experiments/production.yaml."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    global_holdout: GlobalHoldout | None = None
    experiments: dict[str, Experiment]

    @pydantic.field_validator("experiments")
    @classmethod
    def _names(cls, experiments: dict[str, Experiment]) -> dict[str, Experiment]:
        if GLOBAL in experiments:
            raise ValueError(f"an experiment is called {GLOBAL}: that is what the holdout of all of them is called")
        return experiments

    @pydantic.model_validator(mode="after")
    def _apart(self) -> ExperimentsFile:
        by_layer: dict[str, list[tuple[int, int, str]]] = {}
        for name, each in self.experiments.items():
            if each.state != "stopped":
                by_layer.setdefault(each.design.layer, []).append((*each.design.traffic_bp, name))
        for layer, parts in by_layer.items():
            for (_, end, one), (first, _, other) in itertools.pairwise(sorted(parts)):
                if first < end:
                    raise ValueError(f"{one} and {other} share businesses of layer {layer}: part their traffic_bp")
        return self


class ExperimentChanged(ValueError):
    """A loaded version was edited in its file; the message names it and the remedy."""


def read(path: Path = PATH) -> dict[str, Experiment]:
    """The experiments of a file by name.

    Raises:
        ConfigError: names file, key and value.
    """
    return read_file(path).experiments


def read_file(path: Path = PATH) -> ExperimentsFile:
    """All that a file says.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("experiments", ExperimentsFile, path)


def load_holdout(tx: sa.Connection, holdout: GlobalHoldout | None, now: dt.datetime) -> None:
    """Brings the row of the global holdout to what the file says; without one in the file the last one stops.

    Raises:
        ExperimentChanged: when share or salt of a loaded version differ.
    """
    t = experiments
    others = [t.c.experiment == GLOBAL, t.c.state != "stopped"]
    if holdout is not None:
        others.append(t.c.version != holdout.version)
    tx.execute(sa.update(t).where(*others).values(state="stopped"))
    if holdout is None:
        return
    fixed = {"salt": holdout.salt, "arms": {"mailed": WHOLE - holdout.holdout_bp}, "holdout_bp": holdout.holdout_bp}
    mine = sa.and_(t.c.experiment == GLOBAL, t.c.version == holdout.version)
    row = tx.execute(sa.select(t).where(mine)).one_or_none()
    if row is None:
        values = {"experiment": GLOBAL, "version": holdout.version, **fixed, "state": "running", "loaded_at": now}
        tx.execute(insert(t).on_conflict_do_nothing().values(values))
    elif changed := [name for name, value in fixed.items() if getattr(row, name) != value and name != "arms"]:
        raise ExperimentChanged(
            f"{GLOBAL} version {holdout.version} was changed in {', '.join(changed)} after it was loaded: others would be held out "
            f"under way; give it version {holdout.version + 1}"
        )
    else:
        tx.execute(sa.update(t).where(mine, t.c.state != "running").values(state="running"))


def load(tx: sa.Connection, found: dict[str, Experiment], now: dt.datetime) -> None:
    """Brings the table to what the file says: new versions are added, states follow, what the file no longer names stops.

    What would have to run too long to tell anything stays a draft until a person accepts it (``launches.py``); what has mailed
    somebody runs on, however the volume falls.

    Raises:
        ExperimentChanged: when arms, holdout, salt, verticals or design of a loaded version differ.
    """
    stored = {
        (row.experiment, row.version): row
        for row in tx.execute(sa.select(experiments).where(experiments.c.experiment.in_(found)))
    }
    for name, experiment in found.items():
        row = stored.get((name, experiment.version))
        accepted = row is not None and row.accepted_weak_at is not None
        begun = row is not None and row.state == "running" and launches.begun(tx, name, experiment.version)
        state = launches.state(tx, experiment, now, accepted=accepted or begun)
        if row is None:
            fixed = _fixed(experiment)
            values = {"experiment": name, "version": experiment.version, **fixed, "state": state, "loaded_at": now}
            tx.execute(insert(experiments).on_conflict_do_nothing().values(values))
        elif changed := _changed(row, experiment):
            raise ExperimentChanged(
                f"experiment {name!r} version {experiment.version} was changed in {', '.join(changed)} after it was loaded: who "
                f"is in which arm, or what it is judged by, would change under way; give it version {experiment.version + 1}"
            )
        elif row.state != state and row.state != "halted":
            tx.execute(
                sa.update(experiments)
                .where(experiments.c.experiment == name, experiments.c.version == experiment.version)
                .values(state=state)
            )
    current = sa.tuple_(experiments.c.experiment, experiments.c.version).in_(
        [(name, experiment.version) for name, experiment in found.items()]
    )
    gone = (experiments.c.state != "stopped", experiments.c.experiment != GLOBAL, sa.not_(current))
    tx.execute(sa.update(experiments).where(*gone).values(state="stopped"))


def _fixed(experiment: Experiment) -> dict[str, Any]:
    """What of an experiment never changes within a version, as the table keeps it."""
    plain = experiment.model_dump(mode="json", exclude={"version", "state"})
    return plain | {"design": plain["design"] | {"traffic_bp": list(experiment.design.traffic_bp)}}


def _changed(row: sa.Row[Any], experiment: Experiment) -> list[str]:
    """Which of the fixed parts differ from the loaded ones."""
    return [name for name, value in _fixed(experiment).items() if getattr(row, name) != value]


def stored(row: sa.Row[Any]) -> Experiment:
    """The experiment of a row of the table."""
    return Experiment(
        version=row.version, state="running", salt=row.salt, arms=row.arms, holdout_bp=row.holdout_bp,
        verticals=None if row.verticals is None else tuple(row.verticals), design=Design.model_validate(row.design),
    )  # fmt: skip
