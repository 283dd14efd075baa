"""A checkout is killed with SIGKILL at every point where it can be half done: one session at Stripe, one open row here."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import httpx
import pytest

from tests.crash.matrix import KILLED
from tests.crash.scene import Lane

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclasses.dataclass(frozen=True)
class Killed:
    """One kill (``at`` 0: none) and how everything stood when the stage had been run again."""

    at: int
    status: int
    points: list[str]
    again: list[int]
    rows: dict[str, list[dict[str, Any]]]
    sessions: list[str]
    mails: list[str]
    refunds: list[str]


class Till:
    """The shop of one lane: its state before a stage, and what Stripe and the mailer really did since."""

    def __init__(self, lane: Lane) -> None:
        self._lane = lane
        self._vendors = httpx.Client(base_url=lane.environment["LEADFACTORY_SANDBOX_URL"])

    def attempt(self, stage: str, kill_at: int) -> Killed:
        self._lane.begin("export" if stage == "checkout" else "paid")
        before = self._seen()
        ended = self._lane.run(stage, kill_at=kill_at)
        self._lane.an_hour_later()
        again = [self._lane.run(stage)]
        after = self._seen()
        new = {kind: after[kind][len(before[kind]) :] for kind in after}
        points = ended.points if ended.status == 0 else []
        return Killed(kill_at, ended.status, points, [each.status for each in again], self._lane.rows(), new["session"], new["mail"], after["refund"])  # fmt: skip

    def _seen(self) -> dict[str, list[str]]:
        stripe = self._vendors.get("/_truth/stripe").json()
        of = {
            kind: [str(each.get("id") or each) for each in stripe if each.get("kind") == kind]
            for kind in ("checkout_session", "refund")
        }
        mails = self._vendors.get("/_truth/sendgrid", params={"kind": "mail"}).json()
        return {
            "session": of["checkout_session"],
            "refund": of["refund"],
            "mail": [each["custom_args"]["send_id"] for each in mails],
        }


@pytest.fixture(scope="module")
def till(lanes: list[Lane]) -> Till:
    return Till(lanes[0])


def killed_everywhere(till: Till, stage: str) -> tuple[Killed, list[Killed]]:
    began = time.monotonic()
    undisturbed = till.attempt(stage, 0)
    assert undisturbed.status == 0
    attempts = [till.attempt(stage, at) for at in range(1, len(undisturbed.points) + 1)]
    beyond = till.attempt(stage, len(undisturbed.points) + 1)
    assert beyond.status == 0
    print(f"{stage}: {len(attempts)} points, {time.monotonic() - began:.1f} s")
    return undisturbed, attempts


@pytest.fixture(scope="module")
def opened(till: Till) -> tuple[Killed, list[Killed]]:
    return killed_everywhere(till, "checkout")


def told(attempts: list[Killed], rule: Any) -> list[tuple[int, Any]]:
    """The attempts that break a rule, with what it says of each."""
    return [(each.at, said) for each in attempts if (said := rule(each))]


def test_every_point_that_was_counted_kills_and_a_rerun_ends_well(opened: tuple[Killed, list[Killed]]) -> None:
    undisturbed, attempts = opened
    assert [each.status for each in attempts] == [KILLED] * len(undisturbed.points)
    assert told(attempts, lambda each: [status for status in each.again if status]) == []


def test_one_session_is_opened_whatever_was_killed(opened: tuple[Killed, list[Killed]]) -> None:
    _, attempts = opened
    assert told(attempts, lambda each: [] if len(each.sessions) == 1 else each.sessions) == []
    assert told(attempts, lambda each: [] if [row["state"] for row in each.rows["checkout_sessions"]] == ["open"] else each.rows["checkout_sessions"]) == []  # fmt: skip
