"""What Lighthouse would measure on a site, and how its curves score a measurement."""

from __future__ import annotations

import dataclasses
import math
import random

from sandbox.model import Site
from sandbox.sites.inventory import resources
from sandbox.sites.pages import NODES

_ERFC_INVERSE_OF_A_FIFTH = (
    0.9061938024368232  # fixes a curve by its 10th percentile and median (Lighthouse's scoring documentation)
)
# p10 and median of each curve, phone and computer: Lighthouse's defaults. Milliseconds, but for the unitless shift.
PHONE = {
    "first-contentful-paint": (1800, 3000), "largest-contentful-paint": (2500, 4000), "total-blocking-time": (200, 600),
    "cumulative-layout-shift": (0.1, 0.25), "speed-index": (3387, 5800), "interactive": (3785, 7300), "max-potential-fid": (130, 250),
}  # fmt: skip
COMPUTER = {
    "first-contentful-paint": (934, 1600), "largest-contentful-paint": (1200, 2400), "total-blocking-time": (150, 350),
    "cumulative-layout-shift": (0.1, 0.25), "speed-index": (1311, 2300), "interactive": (2468, 4500), "max-potential-fid": (130, 250),
}  # fmt: skip


def curve_score(value: float, p10: float, median: float) -> float:
    """The log-normal score of a metric, 0 to 1, cut (not rounded) to two decimals as Lighthouse cuts it."""
    if value <= 0:
        return 1.0
    standard = math.log(value / median) * _ERFC_INVERSE_OF_A_FIFTH / -math.log(p10 / median)
    return math.floor((1 - math.erf(standard)) * 50 + 1e-9) / 100  # the small number keeps p10 at 0.9


@dataclasses.dataclass(frozen=True)
class Measured:
    """A lab run. ``numbers`` are by audit id, in the unit of that audit; ``scores`` those of the curves."""

    phone: bool
    numbers: dict[str, float]
    scores: dict[str, float]
    total_bytes: int


def measure(site: Site, phone: bool) -> Measured:
    """The numbers that a site with such defects would show; the same for the same site, whoever asks and when."""
    bad, rng, slow = site.defects, random.Random(f"lab:{site.host}"), 1.0 if phone else 0.33
    loaded = resources(site)
    total = sum(each.size for each in loaded)
    blocking = sum(each.size for each in loaded if each.blocks) / 1024
    server = 120.0 + 1400 * ("slow_server" in bad) + rng.randrange(0, 160)
    redirects = 630.0 if site.behaviour.startswith("redirect") else 0.0
    text = sum(each.size for each in loaded if each.kind != "image") / 1024
    fcp = (850 + server * 0.8 + redirects + blocking * 6.5 + text * 2 + rng.randrange(0, 450)) * slow
    heaviest = max(each.size for each in loaded if each.kind == "image") / 1024
    lcp = fcp + (350 + heaviest * 4.5 + rng.randrange(0, 350)) * slow
    tbt = (
        30 + 190 * ("unused_scripts" in bad) + 260 * ("large_dom" in bad) + 170 * ("jquery_old" in bad)
        + 250 * ("render_blocking_scripts" in bad) + 80 * ("no_analytics" not in bad) + rng.randrange(0, 90)
    ) * slow  # fmt: skip
    shift = 0.01 + 0.21 * ("layout_shift" in bad) + 0.11 * ("unsized_images" in bad) + rng.random() * 0.05
    numbers = {
        "first-contentful-paint": fcp, "largest-contentful-paint": lcp, "total-blocking-time": tbt, "cumulative-layout-shift": shift,
        "speed-index": fcp * 1.15 + (lcp - fcp) * 0.3, "interactive": lcp + tbt * 2, "max-potential-fid": 40 + tbt / 2.5,
        "server-response-time": server, "redirects": redirects, "total-byte-weight": float(total),
        "mainthread-work-breakdown": 700 + tbt * 5, "bootup-time": 200 + tbt * 2.5,
        "dom-size-insight": float(42 + 2 * NODES * ("large_dom" in bad)),
        "unused-css-rules": 300.0 * ("render_blocking_css" in bad), "unused-javascript": 900.0 * ("unused_scripts" in bad),
        "unminified-css": 0.0, "unminified-javascript": 150.0 * ("jquery_old" in bad), "metrics": lcp + tbt * 2,
        "network-rtt": 0.1, "network-server-latency": server,
    }  # fmt: skip
    numbers = {name: round(value, 4 if name == "cumulative-layout-shift" else 1) for name, value in numbers.items()}
    curves = PHONE if phone else COMPUTER
    scores = {name: curve_score(numbers[name], p10, median) for name, (p10, median) in curves.items()}
    return Measured(phone, numbers, scores, total)
