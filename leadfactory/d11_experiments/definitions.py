"""Experiments as files: experiments/*.yaml checked and loaded into the table, where a version never changes."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Literal

import pydantic
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from leadfactory import yaml_config
from leadfactory.d11_experiments.tables import experiments
from leadfactory.settings import ROOT

PATH = ROOT / "experiments" / "production.yaml"
WHOLE = 10_000  # basis points


class Experiment(pydantic.BaseModel):
    """One experiment. ``arms`` are basis points and sum with ``holdout_bp`` to 10,000; ``verticals`` None means all."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    version: pydantic.PositiveInt
    state: Literal["running", "stopped"]
    salt: str = pydantic.Field(min_length=8)
    arms: dict[str, pydantic.PositiveInt] = pydantic.Field(min_length=1)
    holdout_bp: pydantic.NonNegativeInt = 0
    verticals: tuple[str, ...] | None = None

    @pydantic.model_validator(mode="after")
    def _whole(self) -> Experiment:
        total = sum(self.arms.values()) + self.holdout_bp
        if total != WHOLE:
            raise ValueError(f"arms and holdout_bp sum to {total} basis points: make it {WHOLE}")
        if "holdout" in self.arms:
            raise ValueError("an arm is called holdout: use holdout_bp")
        return self


class ExperimentsFile(pydantic.BaseModel):
    """experiments/production.yaml."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)
    experiments: dict[str, Experiment]


class ExperimentChanged(ValueError):
    """A loaded version was edited in its file; the message names it and the remedy."""


def read(path: Path = PATH) -> dict[str, Experiment]:
    """The experiments of a file by name.

    Raises:
        ConfigError: names file, key and value.
    """
    return yaml_config.load("experiments", ExperimentsFile, path).experiments


def load(tx: sa.Connection, found: dict[str, Experiment], now: dt.datetime) -> None:
    """Brings the table to what the file says: new versions are added, states follow, what the file no longer names stops.

    Raises:
        ExperimentChanged: when arms, holdout, salt or verticals of a loaded version differ.
    """
    stored = {
        (row.experiment, row.version): row
        for row in tx.execute(sa.select(experiments).where(experiments.c.experiment.in_(found)))
    }
    for name, experiment in found.items():
        verticals = list(experiment.verticals) if experiment.verticals is not None else None
        row = stored.get((name, experiment.version))
        if row is None:
            tx.execute(
                insert(experiments)
                .on_conflict_do_nothing()
                .values(
                    experiment=name, **experiment.model_dump(exclude={"verticals"}), verticals=verticals, loaded_at=now
                )
            )
        elif (row.salt, row.arms, row.holdout_bp, row.verticals) != (
            experiment.salt,
            dict(experiment.arms),
            experiment.holdout_bp,
            verticals,
        ):
            raise ExperimentChanged(
                f"experiment {name!r} version {experiment.version} was changed after it was loaded: who is in which arm "
                f"would change under way; give it version {experiment.version + 1}"
            )
        elif row.state != experiment.state:
            tx.execute(
                sa.update(experiments)
                .where(experiments.c.experiment == name, experiments.c.version == experiment.version)
                .values(state=experiment.state)
            )
    current = sa.tuple_(experiments.c.experiment, experiments.c.version).in_(
        [(name, experiment.version) for name, experiment in found.items()]
    )
    tx.execute(sa.update(experiments).where(experiments.c.state == "running", sa.not_(current)).values(state="stopped"))
