"""A stage killed at each of its crash points in turn and run again, and what must then be true of tables and vendors."""

from __future__ import annotations

import dataclasses
import queue
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from leadfactory.d00_gateway.ledger import budget_keys
from tests.crash.scene import Lane, Outside, Rows

KILLED = -9
# Compared by rules of their own below: how often a vendor was asked, and for how much, differs after a kill.
LEDGERS = {"vendor_calls", "vendor_leases", "vendor_quotas", "vendor_breakers", "budgets"}
# Columns that say nothing of what was done. All times but one are the factory's clock, which stands still, and are compared.
NOT_COMPARED = {
    "quality_verdicts": {"verdict_id"},  # numbers that a rolled-back transaction took are not given again
    "rejected_rows": {"rejected_row_id"},
    "send_transitions": {"transition_id"},
    "business_merges": {"merge_id"},
    "vendor_content": {"content_key"},  # a hash of the request, whose address is another in each lane
    "email_sends": {
        "claim_expires_at",  # by the database's clock
        "claim_id",  # made up anew
        "sendgrid_id",  # the vendor names every mail anew
    },
}
NOT_COMPARED_INSIDE = {"page_facts": {"elapsed_ms"}}  # measured on the clock on the wall
# What is open about a send whose process died: listed as unknown, everything else as if nothing had happened.
OUTCOME = {"state", "reason", "settled_at"}
# Where a stage keeps what it paid for, by asset: a row with these values is final.
RESULTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "sourced_businesses": lambda row: True,
    "enriched_businesses": lambda row: not row["retryable"],
    "site_audits": lambda row: row["status"] != "unavailable",
    "site_insights": lambda row: True,
    "email_drafts": lambda row: True,
    "email_sends": lambda row: row["state"] in {"accepted", "rejected", "unknown"},
}


@dataclasses.dataclass(frozen=True)
class Attempt:
    """One kill (``at`` 0: none), the calls that the ledger had before, what it left, and how everything stood when the stage had been run again."""

    at: int
    known: set[uuid.UUID]
    status: int
    points: list[str]
    again: list[tuple[int, str]]
    left: Rows
    begun: set[uuid.UUID]
    rows: Rows
    files: dict[str, str]
    outside: Outside


@dataclasses.dataclass(frozen=True)
class Matrix:
    """All attempts of one stage."""

    stage: str
    undisturbed: Attempt
    beyond: Attempt
    attempts: list[Attempt]
    seconds: float

    def broken(self, rule: Callable[[Attempt, Attempt], Iterable[str]]) -> list[str]:
        """What ``rule`` says against the attempts, each with its point."""
        names = self.undisturbed.points
        return [
            f"{self.stage} killed at {each.at} ({names[each.at - 1]}): {said}"
            for each in self.attempts
            for said in rule(self.undisturbed, each)
        ]


def attempt(lane: Lane, stage: str, kill_at: int, *, lapsed: bool = False) -> Attempt:
    """Kills ``stage`` there, runs it again at once, and lets the time pass after which what died is known to be dead.

    With ``lapsed`` that time passes before the stage is run again too: the leases of the dead are over when it begins.
    """
    lane.begin(stage)
    known = lane.calls()
    ended = lane.run(stage, kill_at=kill_at)
    lane.left_alone()
    left, begun = lane.rows(), lane.begun()
    if lapsed:
        lane.an_hour_later()
    again = [lane.run(stage)]
    lane.an_hour_later()
    lane.reap()
    if stage == "sending":  # whose own sweep settles the claims of the dead
        again.append(lane.run(stage))
    return Attempt(
        kill_at, known, ended.status, ended.points if ended.status == 0 else [], [(each.status, each.err) for each in again],
        left, begun, lane.rows(), lane.files(), lane.outside(),
    )  # fmt: skip


def kill_everywhere(lanes: list[Lane], stage: str) -> Matrix:
    """The undisturbed run, then one attempt for every point that it numbered, in as many lanes as there are."""
    began = time.monotonic()
    undisturbed = attempt(lanes[0], stage, 0)
    assert undisturbed.status == 0
    last = len(undisturbed.points)
    free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
    for lane in lanes:
        free.put(lane)

    def one(kill_at: int) -> Attempt:
        lane = free.get()
        try:
            return attempt(lane, stage, kill_at)
        finally:
            free.put(lane)

    with ThreadPoolExecutor(len(lanes)) as pool:
        *attempts, beyond = pool.map(one, range(1, last + 2))
    return Matrix(stage, undisturbed, beyond, attempts, time.monotonic() - began)


# -- rules: each says what is wrong with an attempt, beside the undisturbed one ------------------------------------------


def other_tables(undisturbed: Attempt, killed: Attempt) -> Iterator[str]:
    """Rows, lake files included, that an undisturbed run would not have left, or would have."""
    unknown = {row["send_id"] for row in killed.rows["email_sends"] if row["state"] == "unknown"}
    back = {
        row["send_id"]
        for row in killed.rows["send_transitions"]
        if (row["from_state"], row["to_state"]) == ("claimed", "planned")
    }
    for name in killed.rows.keys() - LEDGERS:
        expected, found = (_compared(name, each.rows[name], unknown, back) for each in (undisturbed, killed))
        for row in sorted((expected - found) | (found - expected)):
            yield f"{name} {'lacks' if row in expected else 'has'} {row}"
    if undisturbed.files != killed.files:
        yield f"lake: {sorted(set(undisturbed.files.items()) ^ set(killed.files.items()))}"


def failed_reruns(_: Attempt, killed: Attempt) -> Iterator[str]:
    """Runs after the kill that did not end well."""
    for number, (status, said) in enumerate(killed.again, 1):
        if status != 0:
            yield f"re-run {number} ended with {status}: {said[-2000:]}"


def bought_again(_: Attempt, killed: Attempt) -> Iterator[str]:
    """Calls made after the kill although their result was stored, as a row or as an answer that may be kept."""
    before = {row["call_id"] for row in killed.left["vendor_calls"]}
    kept = {bytes(row["content_key"]) for row in killed.left["vendor_content"]}
    stored = {
        (name, row.get("business_id")) for name, final in RESULTS.items() for row in killed.left[name] if final(row)
    }
    for call in killed.rows["vendor_calls"]:
        if call["call_id"] in before or call["cache_hit"] or call["status"] == "not_sent":
            continue
        asked = f"{call['vendor']} {call['endpoint']} for {call['business_id']}"
        if (call["asset"], call["business_id"]) in stored:
            yield f"{asked} again, its row was stored"
        if bytes(call["request_hash"]) in kept:
            yield f"{asked} again, its answer was stored"
        if call["asset"] == "sourced_businesses" and killed.left["sourced_businesses"]:
            yield f"{asked} again, its listings were stored"


def not_in_the_ledger(_: Attempt, killed: Attempt) -> Iterator[str]:
    """Requests that reached a vendor without a ledger row; a row may lack its request only when nobody knows."""
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    for call in killed.rows["vendor_calls"]:
        if not call["cache_hit"] and call["call_id"] not in killed.known:
            rows[call["vendor"]][call["status"]] += 1
    for vendor, count in killed.outside.requests.items():
        most = rows[vendor].total() - rows[vendor]["not_sent"]
        if not most - rows[vendor]["unknown"] <= count <= most:
            yield f"{vendor} was asked {count} times, the ledger has {dict(rows[vendor])}"


def mailed_twice(_: Attempt, killed: Attempt) -> Iterator[str]:
    """Mails that left twice, or of which the tables do not know."""
    states = {str(row["send_id"]): row["state"] for row in killed.rows["email_sends"]}
    for send_id, count in Counter(killed.outside.mails).items():
        if count > 1:
            yield f"send {send_id} left {count} times"
        if states.get(send_id) not in {"accepted", "unknown"}:
            yield f"send {send_id} left and is {states.get(send_id)}"


def unnamed(_: Attempt, killed: Attempt) -> Iterator[str]:
    """What was under way when the process died and is not settled by its rule: calls at their worst case, sends as unknown."""
    now = {row["call_id"]: row for row in killed.rows["vendor_calls"]}
    for call in killed.left["vendor_calls"]:
        after = now[call["call_id"]]
        if call["status"] == "started" and (after["status"], after["reason"], after["cost_microusd"]) != (
            "unknown", "process_died", call["reserved_microusd"],
        ):  # fmt: skip
            yield f"call {after} was under way"
    yield from (f"call {call} is still under way" for call in now.values() if call["status"] == "started")
    sends = {row["send_id"]: row for row in killed.rows["email_sends"]}
    for send in killed.left["email_sends"]:
        after = sends[send["send_id"]]
        if send["state"] != "claimed":
            continue
        if send["send_id"] in killed.begun and (after["state"], bool(after["reason"])) != ("unknown", True):
            yield f"send {after} was claimed and begun"
        if send["send_id"] not in killed.begun and after["state"] != "accepted":
            yield f"send {after} was claimed, its process had not begun it and it was not sent after all"
    yield from (f"send {send} is still claimed" for send in sends.values() if send["state"] == "claimed")


def miscounted(_: Attempt, killed: Attempt) -> Iterator[str]:
    """Budgets that are overdrawn, still reserved, or not the sum of the ledger; permits of the dead that did not return."""
    owed: Counter[tuple[str, str]] = Counter()
    used: Counter[str] = Counter()
    for call in killed.rows["vendor_calls"]:
        if not call["cache_hit"] and call["status"] != "not_sent":
            used[call["vendor"]] += call["units"]
        for key in budget_keys(call["vendor"], call["occurred_on"], call["campaign"], call["business_id"]):
            owed[key] += call["cost_microusd"] or 0
    for row in killed.rows["budgets"]:
        if row["spent_microusd"] > row["cap_microusd"] or row["reserved_microusd"] != 0:
            yield f"budget {row}"
        if row["spent_microusd"] != owed[row["scope"], row["key"]]:
            yield f"budget {row} is not the ledger's {owed[row['scope'], row['key']]}"
    for row in killed.rows["vendor_quotas"]:
        if row["rate"] == "day" and (row["leased_units"], row["used_units"]) != (0, used[row["vendor"]]):
            yield f"quota {row}; the ledger has {used[row['vendor']]}"


def _compared(name: str, rows: list[dict[str, Any]], unknown: set[Any], back: set[Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in rows:
        if name == "send_transitions" and row["send_id"] in back and "claimed" in (row["from_state"], row["to_state"]):
            continue  # its process died before it handed it over: it is claimed, and settled, a second time
        left_out = set(NOT_COMPARED.get(name, ()))
        if row.get("send_id") in unknown:
            if name == "email_sends":
                left_out |= OUTCOME
            if name == "send_transitions" and row["to_state"] in {"unknown", "accepted"}:
                continue
        if name == "vendor_content" and row["subject"] is None:
            continue  # an answer kept whole, so that it is not bought twice: not needed once its rows are stored
        found[repr({column: _inside(column, value) for column, value in row.items() if column not in left_out})] += 1
    return found


def _inside(column: str, value: Any) -> Any:
    left_out = NOT_COMPARED_INSIDE.get(column)
    return value if left_out is None or value is None else {k: v for k, v in value.items() if k not in left_out}
