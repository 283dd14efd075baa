"""Random histories of one campaign-day: faults, deaths, duplicate runs, clock steps; every step is followed by the invariants.

As a program: ``python -m tests.simulation.play --seeds 2000`` (``make simulate SEEDS=…``), or ``--seed 1234`` for one, told step by step.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import datetime as dt
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from leadfactory.d00_gateway.ledger import budget_keys
from leadfactory.locks import CampaignDayBusy, campaign_day_lock
from leadfactory.stage import STAGES
from tests.simulation.world import CHAIN, LEADS, UNIT, World

# Where a history begins, and how often: what comes before is as an undisturbed run left it. Later ones end sooner.
WEIGHTS = {0: 3, 1: 3, 2: 4, 3: 4, 4: 7, 5: 10, 6: 9, 7: 8, 8: 22, 9: 30}
MOST_BROKEN = 5
VENDORS = ("yelp", "places", "pagespeed", "openai", "sendgrid", "*")
FAULTS = ("5xx", "lost", "malformed", "reset")
STEPS = (
    dt.timedelta(minutes=10),
    dt.timedelta(hours=3),
    dt.timedelta(hours=9),
    dt.timedelta(hours=25),
    dt.timedelta(hours=-2),
)
SPEND = """SELECT vendor, occurred_on, campaign, business_id, cost_microusd, reserved_microusd, status, cache_hit, units, reason
           FROM vendor_calls"""


@dataclasses.dataclass(frozen=True)
class Step:
    """One thing that happens: ``do`` is run, fault, calm, clock or beside."""

    do: str
    stage: str = ""
    kill_at: int | None = None
    vendor: str = ""
    kind: str = ""
    rate: float = 0.0
    by: dt.timedelta = dt.timedelta()

    def __str__(self) -> str:
        parts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return " ".join(f"{name}={value}" for name, value in parts.items() if value)


def history(seed: int) -> tuple[int, list[Step]]:
    """The stage before which ``seed`` begins, and what happens: the same for the same seed, always."""
    dice = random.Random(seed)
    first = dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    at, steps = first, []
    for _ in range(dice.randint(1, 4)):
        match dice.choices(("run", "kill", "fault", "calm", "clock", "beside"), (4, 5, 2, 1, 1.5, 0.5))[0]:
            case "run":
                steps.append(Step("run", CHAIN[at]))
                at = min(at + dice.choice((0, 1, 1)), len(CHAIN) - 1)
            case "kill":
                steps.append(Step("run", CHAIN[at], kill_at=dice.choice((1, 2, 3, 4, 5, 6, 8, 10, 13, 17, 22))))
            case "fault":
                steps.append(
                    Step(
                        "fault",
                        vendor=dice.choice(VENDORS),
                        kind=dice.choice(FAULTS),
                        rate=dice.choice((0.3, 0.7, 1.0)),
                    )
                )
            case "clock":
                steps.append(Step("clock", by=dice.choice(STEPS)))
            case other:
                steps.append(Step(other, CHAIN[at] if other == "beside" else ""))
    return first, steps


def play(world: World, seed: int, *, tell: bool = False) -> list[str]:
    """Plays ``seed``; returns what was broken, with the step after which it was. An empty list is a history that held."""
    first, steps = history(seed)
    world.begin(first)
    told: list[str] = []
    teller = Teller(world, seed)
    for number, step in enumerate(steps, 1):
        if tell:
            print(f"{number}. {step}")
        try:
            teller.take(step)
        except Exception as error:  # noqa: BLE001 - a stage may give up on a fault, never on its own
            told.append(f"step {number} ({step}) raised {_said(error)}")
        told += [f"step {number} ({step}): {problem}" for problem in teller.broken()]
        if told:
            return told
    try:
        teller.end(first)
    except Exception as error:  # noqa: BLE001 - told like every other break
        return [f"the end raised {_said(error)}"]
    return [f"at the end: {problem}" for problem in (*teller.broken(), *teller.unsettled())]


def _said(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{error.__class__.__name__}: {str(error)[:300]}"


class Teller:
    """Takes steps in a world and says what broke."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed = world, seed
        self.begun_with = Counter(row["vendor"] for row in self._calls())
        self.quiet = True  # no fault is on
        self.done: dict[str, Counter[str]] = {}  # stage → requests seen when it had nothing left to do

    def take(self, step: Step) -> None:
        """Does one step."""
        match step.do:
            case "fault":
                self.quiet = False
                self.world.sandbox.faults.add(vendor=step.vendor, kind=step.kind, rate=step.rate, seed=self.seed)
            case "calm":
                self.calm()
            case "clock":
                self.done.clear()
                self.world.set_clock(self.world.now + step.by)
                if step.by > dt.timedelta():
                    self.world.an_hour()
            case "beside":  # a second run while the first holds the campaign-day
                with (
                    campaign_day_lock(self.world.db, UNIT, STAGES[step.stage][0]),
                    contextlib.suppress(CampaignDayBusy),
                ):
                    self.world.live(step.stage)
                    raise AssertionError(f"{step.stage} ran beside another run of its campaign-day")
            case _:
                self.run(step.stage, step.kill_at)

    def run(self, name: str, kill_at: int | None = None) -> None:
        """One life of a stage; a second one that finds all done asks nobody."""
        before = self.world.asked()
        report = self.world.live(name, kill_at=kill_at)
        if name in self.done and self.world.asked() != before:
            raise AssertionError(f"{name} had nothing left to do and asked {dict(self.world.asked() - before)}")
        if report is None or not self.quiet or report.rows_open:
            self.done.clear()
        else:
            self.done[name] = self.world.asked()

    def calm(self) -> None:
        """The vendors are well again, and an hour has gone by."""
        self.world.sandbox.faults.clear()
        self.quiet = True
        self.world.an_hour()

    def end(self, first: int) -> None:
        """Well vendors, time for what the dead held, and every stage from the first on, the last twice."""
        self.calm()
        for name in (*CHAIN[first:], CHAIN[-1]):
            self.run(name)
        self.world.reap()

    # -- invariants ---------------------------------------------------------------------------------------------------

    def broken(self) -> Iterator[str]:
        """What no moment of any history may show."""
        calls = self._calls()
        yield from self._mails()
        yield from self._money(calls)
        rows: dict[str, Counter[str]] = collections.defaultdict(Counter)
        for call in calls:
            if not call["cache_hit"]:
                rows[call["vendor"]][call["status"]] += 1
        for vendor, count in self.world.asked().items():
            most = rows[vendor].total() - rows[vendor]["not_sent"] - self.begun_with[vendor]
            if count > most:
                yield f"{vendor} was asked {count} times, the ledger has {dict(rows[vendor])}"
        for call in calls:
            if call["status"] not in {"ok", "started"} and not call["reason"] and not call["cache_hit"]:
                yield f"a call of {call['vendor']} ended {call['status']} without a reason"

    def _mails(self) -> Iterator[str]:
        states = {
            str(row["send_id"]): row["state"] for row in self.world.rows("SELECT send_id, state FROM email_sends")
        }
        for send_id, count in self.world.mails().items():
            if count > 1:
                yield f"mail {send_id} left {count} times"
            if states.get(send_id) not in {"claimed", "accepted", "unknown"}:
                yield f"mail {send_id} left and is {states.get(send_id)}"

    def _money(self, calls: list[dict[str, object]]) -> Iterator[str]:
        owed: Counter[tuple[str, str]] = Counter()
        held: Counter[tuple[str, str]] = Counter()
        for call in calls:
            for key in budget_keys(call["vendor"], call["occurred_on"], call["campaign"], call["business_id"]):  # type: ignore[arg-type]
                owed[key] += call["cost_microusd"] or 0  # type: ignore[operator]
                held[key] += call["reserved_microusd"] if call["status"] == "started" else 0  # type: ignore[operator]
        for row in self.world.rows("SELECT scope, key, cap_microusd, reserved_microusd, spent_microusd FROM budgets"):
            key = (row["scope"], row["key"])
            if row["spent_microusd"] + row["reserved_microusd"] > row["cap_microusd"]:
                yield f"budget {row} is overdrawn"
            if (row["spent_microusd"], row["reserved_microusd"]) != (owed[key], held[key]):
                yield f"budget {row}; the ledger owes {owed[key]} and holds {held[key]}"
        for row in self.world.rows("SELECT vendor, rate, limit_units, used_units, leased_units FROM vendor_quotas"):
            if row["used_units"] + row["leased_units"] > row["limit_units"] or row["leased_units"] < 0:
                yield f"quota {row} is over its limit"

    def unsettled(self) -> Iterator[str]:
        """What the end of a history may not leave: work without a name."""
        for table, state in (("vendor_calls", "status = 'started'"), ("email_sends", "state = 'claimed'")):
            left = self.world.rows(f"SELECT count(*) AS n FROM {table} WHERE {state}")[0]["n"]
            if left:
                yield f"{left} rows of {table} are still {state}"
        found = self.world.rows("SELECT count(*) AS n FROM sourced_businesses")[0]["n"]
        if found != LEADS and self.world.now.date() == UNIT.day:  # a day that is over buys nothing more
            yield f"{found} businesses are sourced, not {LEADS}"
        unknown = self.world.rows("SELECT count(*) AS n FROM email_sends WHERE state = 'unknown' AND reason IS NULL")[
            0
        ]["n"]
        if unknown:
            yield f"{unknown} sends are unknown without a reason"
        listed = self.world.rows("""SELECT u.business_id FROM unique_businesses u
            LEFT JOIN LATERAL (SELECT qualified, reason FROM lead_scores s WHERE s.business_id = u.business_id
                               ORDER BY version DESC LIMIT 1) l ON true
            LEFT JOIN email_drafts d USING (business_id)
            WHERE u.duplicate_of IS NULL AND u.excluded_reason IS NULL
              AND NOT ((l.qualified AND d.draft_id IS NOT NULL) OR l.reason IS NOT NULL)""")
        if listed:
            yield f"{len(listed)} leads are neither drafted for nor listed with a reason"

    def _calls(self) -> list[dict[str, object]]:
        return self.world.rows(SPEND)


def many(world: World, seeds: Iterable[int], *, bar: bool = False) -> dict[int, list[str]]:
    """Seed → what it broke, for those that broke something; stops after five."""
    import tqdm

    found: dict[int, list[str]] = {}
    for seed in tqdm.tqdm(seeds, disable=None if bar else True, unit="seed", mininterval=1):  # None: on a terminal only
        told = play(world, seed)
        if told:
            found[seed] = told
        if len(found) == MOST_BROKEN:
            break
    return found


@contextlib.contextmanager
def a_world(postgres: int | None = None) -> Iterator[World]:
    """A world on a database server of its own, both gone afterwards; of another major version where ``postgres`` names one."""
    from leadfactory import embedded, embedded_process, migrate
    from leadfactory.backup import programs
    from tests.postgres import settings_for_tests

    logging.getLogger("leadfactory").setLevel(logging.CRITICAL)  # deaths are what is played here
    folder = Path(tempfile.mkdtemp(prefix=f"lf-tests-{os.getpid()}-"))
    if postgres is not None:
        place = programs.folder(postgres)
        embedded_process.binaries = lambda: place  # type: ignore[assignment]  # for the rest of this process
    try:
        server = embedded.ensure_running(folder, fast=True)
        migrate.upgrade(settings_for_tests(folder))
        yield World(server, "main", folder / "world")
    finally:
        embedded.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)


def main(arguments: list[str] | None = None) -> int:
    """Plays the seeds that were asked for; 1 when one of them broke something."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.play", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2000, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="only this one, told step by step")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the seeds")
    parser.add_argument("--postgres", type=int, help="major version of the server, of those that the wheel carries")
    asked = parser.parse_args(arguments)
    if asked.jobs > 1 and asked.seed is None:
        share = -(-asked.seeds // asked.jobs)
        own = [sys.executable, "-m", "tests.simulation.play", "--seeds", str(share), "--first"]
        parts = [subprocess.Popen([*own, str(asked.first + number * share)]) for number in range(asked.jobs)]
        return max([part.wait() for part in parts])
    begun = time.monotonic()
    with a_world(asked.postgres) as world:
        (version,) = world.rows("SELECT current_setting('server_version_num')::int / 10000 AS major")[0].values()
        if asked.seed is not None:
            problems = play(world, asked.seed, tell=True)
            told, played = ({asked.seed: problems} if problems else {}), 1
        else:
            told = many(world, range(asked.first, asked.first + asked.seeds), bar=True)
            played = asked.seeds if len(told) < MOST_BROKEN else max(told) - asked.first + 1
    for seed, problems in told.items():
        print(f"seed {seed} (again: python -m tests.simulation.play --seed {seed})", *problems, sep="\n  ")
    print(
        json.dumps(
            {
                "first": asked.first,
                "played": played,
                "broken": sorted(told),
                "seconds": round(time.monotonic() - begun),
                "postgres": version,
            }
        )
    )
    return 1 if told else 0


if __name__ == "__main__":
    sys.exit(main())
