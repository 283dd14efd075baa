"""Experiments by command: loaded with what each takes, shown with a picture, refused with a reason."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from cli.experiments import draw
from cli.output import CommandError
from leadfactory.d11_experiments import definitions, effects, readout
from leadfactory.d11_experiments.definitions import PATH
from leadfactory.d11_experiments.tables import experiments
from leadfactory.database import Database
from leadfactory.yaml_config import ConfigError
from tests.leads import TUESDAY
from tests.unit.d11_experiments.test_reading import NAME, happened


def test_a_dry_run_says_what_each_takes_and_writes_nothing(
    database: Database, command: Callable[..., CompletedProcess[str]]
) -> None:
    done = command("load-experiments", "--dry-run")
    assert "needs 15,040 businesses" in done.stdout
    assert "Nothing was written" in done.stdout
    with database.begin() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(experiments)) == 0


def test_what_was_loaded_is_shown_with_its_picture(
    database: Database, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    command("load-experiments")
    happened(database, "plain", exposed=400, clicked=8, on=TUESDAY.replace(hour=1))
    happened(database, "measured", exposed=400, clicked=10, on=TUESDAY.replace(hour=1))
    picture = tmp_path / "subject.png"
    late = {"LEADFACTORY_CLOCK": "2026-11-06T15:00:00+00:00"}
    done = command("experiments", "show", NAME, f"--plot={picture}", "--json", **late)
    said = json.loads(done.stdout)
    assert [(arm["arm"], arm["exposed"], arm["events"]) for arm in said["arms"]] == [
        ("plain", 400, 8),
        ("measured", 400, 10),
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = said["sequence"]["measured"]
    assert lines[0].startswith("2026-10-06  ")
    assert "1.25 (" in lines[-1]


def test_an_unknown_experiment_is_answered_with_those_that_there_are(
    database: Database, command: Callable[..., CompletedProcess[str]]
) -> None:
    command("load-experiments")
    done = command("experiments", "show", "subject_test")
    assert done.returncode != 0
    assert NAME in done.stderr


def test_an_edited_version_is_refused_with_the_next_number(
    database: Database, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    command("load-experiments")
    edited = yaml.safe_load(PATH.read_text())
    edited["experiments"][NAME]["arms"] = {"measured": 9_000, "plain": 500}
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump(edited))
    done = command("load-experiments", f"--file={file}")
    assert done.returncode != 0
    assert "give it version 2" in done.stderr


def test_a_price_arm_without_a_price_is_refused_with_where_to_write_it(
    database: Database, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    edited = yaml.safe_load(PATH.read_text())
    edited["experiments"]["price_point_test"]["arms"] = {"list": 5_000, "higher": 5_000}
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump(edited))
    done = command("load-experiments", f"--file={file}")
    assert done.returncode != 0
    assert "its arm 'higher' would change nothing: give it its cents in config/prices.yaml" in " ".join(
        done.stderr.split()
    )


def test_a_wrong_file_names_key_and_value(
    database: Database, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    edited = yaml.safe_load(PATH.read_text())
    edited["experiments"][NAME]["design"]["base_rate"] = 2
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump(edited))
    done = command("load-experiments", f"--file={file}")
    assert done.returncode != 0
    assert "base_rate = 2" in done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"verticals": ["restaurnt"]}, "is for vertical 'restaurnt', which nobody is in: config/verticals.yaml has"),
        ({"armz": 1}, "experiments.subject_line_test.armz = 1: Extra inputs are not permitted"),
        (
            {"holdout_bp": 501},
            ": arms and holdout_bp sum to 10001 basis points: make it 10000",
        ),
    ],
    ids=["a vertical that nobody is in", "a misspelt key", "shares that do not add up"],
)
def test_a_wrong_experiment_is_refused_before_anything_is_loaded(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    edited = yaml.safe_load(PATH.read_text())
    edited["experiments"][NAME] |= change
    file = tmp_path / "experiments.yaml"
    file.write_text(yaml.safe_dump(edited))
    with pytest.raises(ConfigError, match=re.escape(said)):
        effects.check(NAME, definitions.read(file)[NAME])


def test_the_global_holdout_is_listed_and_shown_beside_the_tests(
    database: Database, command: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    assert "no business is held out" in command("experiments", "show", "global_holdout").stderr
    file = tmp_path / "experiments.yaml"
    file.write_text("global_holdout: {version: 1, salt: nobody-2026-12, holdout_bp: 200}\nexperiments: {}\n")
    command("load-experiments", f"--file={file}")
    (listed,) = json.loads(command("experiments", "list", "--json").stdout)
    shown = json.loads(command("experiments", "show", "global_holdout", "--json").stdout)
    assert (listed["experiment"], listed["arms"]) == ("global_holdout", {"mailed": 9_800, "holdout": 200})
    assert [(arm["arm"], arm["exposed"]) for arm in shown["arms"]] == [("mailed", 0), ("holdout", 0)]
    assert shown["sentence"].endswith("nothing to compare yet.")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("picture.gif", ".gif names no picture format: end it in .png, .svg, .pdf"),
        ("nowhere/picture.png", "name a file in a folder that exists"),
    ],
)
def test_a_picture_that_cannot_be_written_is_refused_with_the_way_out(tmp_path: Path, name: str, remedy: str) -> None:
    day = dt.date(2026, 10, 6)
    plan = readout.Plan("plain", {"plain": 5_000, "measured": 5_000}, "clicked", 0.5, {}, 0.05, 0.8)
    with pytest.raises(CommandError, match=re.escape(remedy)):
        draw("subject_line_test", plan, {day: readout.read_out(plan, {})}, tmp_path / name)
