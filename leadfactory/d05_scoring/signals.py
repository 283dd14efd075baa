"""The closed list of signals that a rule file may weigh: what each reads from a lead and which way it counts. Pure.

A rule file names a signal by its key in ``SIGNALS``, or as ``kind:<finding kind>`` or ``category:<finding category>`` of
config/findings.yaml, whose value is the worst severity found, 0 to 4.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

from leadfactory.d01_targeting.verticals import Vertical, verticals
from leadfactory.d03_assessment.catalogue import catalogue, conversion_weight
from leadfactory.d05_scoring.leads import Lead

Value = float | bool | str | None
Factor = Literal["need", "ability", "reachability"]
FACTORS: tuple[Factor, ...] = ("need", "ability", "reachability")
LEVELS = ("low", "medium", "high")
SEVERE = 3


@dataclasses.dataclass(frozen=True)
class Reading:
    """What some signals need besides the lead: tables of the rule file."""

    severity_weights: Mapping[int, float]
    platform_classes: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Signal:
    """One thing known of a lead.

    ``kind``: number | flag | level. ``rising``: whether more of it (or True) means more of the factor; the points that a rule
    file gives must go that way. ``levels`` are in the order in which the factor grows. ``read`` gives None for unknown.
    ``says`` puts a value into words; ``{value}`` is the value.
    """

    name: str
    factor: Factor
    kind: Literal["number", "flag", "level"]
    read: Callable[[Lead, Reading], Value]
    says: str
    says_not: str = ""
    rising: bool = True
    levels: tuple[str, ...] = ()

    def words(self, value: Value) -> str:
        """The value as an operator reads it."""
        if self.kind == "flag":
            return self.says if value else (self.says_not or f"not: {self.says}")
        return self.says.replace(
            "{value}", f"{value:.10g}" if isinstance(value, (int, float)) else str(value).replace("_", " ")
        )


def _trade(field: str) -> Callable[[Lead, Reading], Value]:
    def read(lead: Lead, reading: Reading) -> Value:
        known: Vertical | None = verticals().get(lead.vertical)
        return None if known is None else str(getattr(known, field))

    return read


def _field(name: str) -> Callable[[Lead, Reading], Value]:
    def read(lead: Lead, reading: Reading) -> Value:
        value: Value = getattr(lead, name)
        return value

    return read


def _in_season(lead: Lead, reading: Reading) -> Value:
    """A trade without a season sells in every month."""
    known = verticals().get(lead.vertical)
    return None if known is None else not known.season or lead.cohort_on.month in known.season


def _conversion_cost(lead: Lead, reading: Reading) -> Value:
    """What the findings cost in customers: severity weight x conversion weight of the costliest of each category, summed.

    The costliest only, so that a catalogue with more kinds of small faults does not make every site look broken.
    """
    if lead.findings is None:
        return None
    known, worst = catalogue(), dict[str, float]()
    for each in lead.findings:
        kind = each.kind in known.kinds
        weight = conversion_weight(each.kind) if kind else known.category_weights.get(each.category, 0.0)
        cost = reading.severity_weights.get(each.severity, 0) * weight
        worst[each.category] = max(worst.get(each.category, 0.0), cost)
    return round(sum(worst.values()), 6)


def _findings(lead: Lead, reading: Reading) -> Value:
    return None if lead.findings is None else len(lead.findings)


def _severe(lead: Lead, reading: Reading) -> Value:
    return None if lead.findings is None else sum(each.severity >= SEVERE for each in lead.findings)


def _platform_class(lead: Lead, reading: Reading) -> Value:
    return reading.platform_classes.get(lead.platform or "")


def _technologies(lead: Lead, reading: Reading) -> Value:
    return None if lead.technologies is None else len(lead.technologies)


_ALL = (
    Signal("performance", "need", "number", _field("performance"), "performance {value} of 100", rising=False),
    Signal("seo", "need", "number", _field("seo"), "search basics {value} of 100", rising=False),
    Signal("accessibility", "need", "number", _field("accessibility"), "accessibility {value} of 100", rising=False),
    Signal("best_practices", "need", "number", _field("best_practices"), "best practices {value} of 100", rising=False),
    Signal("conversion_cost", "need", "number", _conversion_cost, "findings that cost {value} points of conversion"),
    Signal("findings", "need", "number", _findings, "findings: {value}"),
    Signal("severe_findings", "need", "number", _severe, "severe findings: {value}"),
    Signal("hours_visible", "need", "flag", _field("hours_visible"), "opening hours are shown", "no opening hours", rising=False),
    Signal("ticket", "ability", "level", _trade("ticket"), "{value} ticket", levels=LEVELS),
    Signal("urgency", "ability", "level", _trade("urgency"), "{value} urgency", levels=LEVELS),
    Signal("maturity", "ability", "level", _trade("maturity"), "{value} web maturity of the trade", levels=LEVELS[::-1]),
    Signal("in_season", "ability", "flag", _in_season, "in season", "out of season"),
    Signal("review_band", "ability", "level", _field("review_band"), "{value} reviews", levels=("0", "1-10", "11-50", ">50")),
    Signal("platform_class", "ability", "level", _platform_class, "site made with a {value}", levels=("builder", "cms", "shop")),
    Signal("technologies", "ability", "number", _technologies, "{value} technologies in use"),
    Signal("email", "reachability", "level", _field("email"), "address: {value}", levels=("none", "free_mail", "own_domain")),
    Signal("email_evidence", "reachability", "level", _field("email_evidence"), "address shown as {value}",
           levels=("none", "decoded", "text", "json_ld", "mailto", "import")),
    Signal("mail_domain", "reachability", "level", _field("mail_domain"), "mail domain: {value}", levels=("none", "weak", "accepted")),
    Signal("own_phone", "reachability", "flag", _field("own_phone"), "phone on the own site", "no phone on the own site"),
    Signal("own_name", "reachability", "flag", _field("own_name"), "name on the own site", "no name on the own site"),
    Signal("match_score", "reachability", "number", _field("match_score"), "match with the place {value}"),
    Signal("chain", "reachability", "flag", _field("chain"), "branch of a chain", "independent", rising=False),
    Signal("site_shared_by", "reachability", "number", _field("site_shared_by"), "businesses that share its website: {value}", rising=False),
)  # fmt: skip
SIGNALS: Mapping[str, Signal] = {each.name: each for each in _ALL}


def find(name: str) -> Signal:
    """The signal of that name.

    Raises:
        LookupError: there is no such signal, kind or category; the message names what there is.
    """
    if name in SIGNALS:
        return SIGNALS[name]
    prefix, _, wanted = name.partition(":")
    known = catalogue()
    names = {"kind": set(known.kinds), "category": set(known.category_weights)}.get(prefix)
    if names is None:
        raise LookupError(f"is no signal: use one of {', '.join(SIGNALS)}, kind:<finding kind> or category:<category>")
    if wanted not in names:
        raise LookupError(f"{wanted!r} is no finding {prefix} of config/findings.yaml")
    return Signal(
        name, "need", "number", _worst(prefix, wanted), f"{wanted.replace('_', ' ')}: severity {{value}} of 4"
    )


def _worst(field: str, wanted: str) -> Callable[[Lead, Reading], Value]:
    def read(lead: Lead, reading: Reading) -> Value:
        if lead.findings is None:
            return None
        worst = max((each.severity for each in lead.findings if getattr(each, field) == wanted), default=0)
        return None if worst == 0 and field == "kind" and wanted in lead.unmeasured else worst

    return read
