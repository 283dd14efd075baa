"""250,000 listings deduplicated in one process, as a ratio to comparing all pairs of each ZIP code in the same run.

Seconds are of the process (CPU), so that neighbours on the machine do not count.
All pairs would take hours, so the baseline is measured on whole ZIP codes until ``--sample-s`` seconds are used and scaled by
the number of pairs. Recall against the world's own duplicates is printed too: speed that loses pairs is no speed.
"""

from __future__ import annotations

import argparse
import resource
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator

from bench import results
from leadfactory.d02_sourcing.grouping import groups
from leadfactory.d02_sourcing.listings import Listing, e164
from leadfactory.d02_sourcing.matching import compare
from sandbox.model import YelpListing
from sandbox.world import geography, views
from sandbox.world.seeded import SeededWorld
from sandbox.world.vocabulary import VERTICALS

GOAL_S, GOAL_RATIO = 60.0, 0.5


def listed(count: int) -> tuple[list[YelpListing], set[frozenset[int]]]:
    """``count`` listings of the sandbox's world and the pairs among them that are one business, by position."""
    world = SeededWorld("bench")
    found: list[YelpListing] = []
    twins: set[frozenset[int]] = set()
    for place in _spread(geography.all_zips()):
        for vertical in VERTICALS:
            for business in world.cohort(place.code, vertical):
                known = views.on_yelp(world.seed, business)
                if len(found) + len(known) > count:
                    return found, twins
                if len(known) > 1:
                    twins.add(frozenset((len(found), len(found) + 1)))
                found += known
    return found, twins


def _spread(zips: list[geography.Zip]) -> Iterator[geography.Zip]:
    """Every seventh ZIP code, then the next seventh: towns of all sizes from the start."""
    for start in range(7):
        yield from zips[start::7]


def readable(found: list[YelpListing]) -> list[Listing]:
    """The listings as matching takes them, from text: normalising is part of the work."""
    return [
        Listing(
            uuid.UUID(int=rank + 1), rank, each.name, each.address.city, each.address.line1, each.address.zip_code, e164(each.phone),
            each.address.latitude, each.address.longitude, state=each.address.state,
        )
        for rank, each in enumerate(found)
    ]  # fmt: skip


def all_pairs(listings: list[Listing], seconds: float) -> tuple[float, int, int]:
    """Seconds and pairs of whole ZIP codes compared in full, and how many pairs there are in all ZIP codes together."""
    blocks: dict[str | None, list[Listing]] = defaultdict(list)
    for each in listings:
        blocks[each.zip_code].append(each)
    total = sum(len(block) * (len(block) - 1) // 2 for block in blocks.values())
    began, done = time.process_time(), 0
    for _, block in sorted(blocks.items(), key=lambda item: str(item[0])[::-1]):  # towns of all sizes
        for position, one in enumerate(block):
            for other in block[position + 1 :]:
                compare(one, other)
        done += len(block) * (len(block) - 1) // 2
        if time.process_time() - began > seconds:
            break
    return time.process_time() - began, done, total


def main() -> None:
    """Prints the figures and writes them beside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--listings", type=int, default=250_000)
    parser.add_argument("--sample-s", type=float, default=15.0)
    asked = parser.parse_args()
    found, twins = listed(asked.listings)
    began = time.process_time()
    listings = readable(found)
    made = groups(listings)
    seconds = time.process_time() - began
    joined = {frozenset((a.rank, b.rank)) for group, _ in made for at, a in enumerate(group) for b in group[at + 1 :]}
    recall = len(joined & twins) / len(twins) if twins else 1.0
    precision = len(joined & twins) / len(joined) if joined else 1.0
    used, done, total = all_pairs(listings, asked.sample_s)
    naive = used / done * total
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{len(found):,} listings deduplicated in {seconds:.1f} s of one core (goal {GOAL_S:.0f} s), peak {peak} MB, {len(made):,} businesses"
    )
    print(f"the world's own {len(twins):,} duplicates: recall {recall:.4f}, precision {precision:.4f}")
    print(f"all {total:,} pairs of each ZIP code: {naive:,.0f} s, scaled from {done:,} pairs in {used:.1f} s")
    print(f"ratio {seconds / naive:.4f}")
    ratios = [
        {"name": "dedupe / all pairs in each ZIP code", "ratio": round(seconds / naive, 5), "goal": GOAL_RATIO},
        {"name": "dedupe of 250,000 / 60 s", "ratio": round(seconds / GOAL_S, 3), "goal": 1.0},
    ]
    results.write(
        "dedupe", ratios, listings=len(found), seconds=round(seconds, 2), naive_seconds=round(naive), peak_mb=peak,
        recall=round(recall, 5), precision=round(precision, 5),
    )  # fmt: skip


if __name__ == "__main__":
    main()
