"""What a simulated quarter came to, counted in the ledgers, and whether anybody would believe it."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from cli.simulating.script import Believable, Range
from leadfactory.d10_analytics.sales import PAID

WHOLE = {  # a letter is delivered or opened, a business buys: its second letter is no second customer
    **dict.fromkeys(("delivered", "bounced", "opened", "clicked"), "letters"), "purchased": "businesses",
}  # fmt: skip
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
# A workday's least share. Of first letters, which leave when their night's work allows: five even days would have a fifth each, and Monday
# takes the weekend's too, so a seventh is left to each other day. Of all letters a workday cannot have 8 %: follow-ups leave four and seven
# days after the letter before (config/delivery.yaml), moved out of the weekend, and so on no Wednesday or Thursday ever. Of 21 letters of a
# week's seven nights, three each, Monday has 9, Tuesday 3, Friday 7, Wednesday and Thursday one each: 4.8 %.
LEAST_SHARE_OF_FIRST_LETTERS = 0.08
LEAST_SHARE_OF_LETTERS = 0.03
_LETTERS = sa.text(
    """SELECT count(*) AS letters, count(DISTINCT s.business_id) AS businesses,
              count(*) FILTER (WHERE o.delivery = 'delivered') AS delivered,
              count(*) FILTER (WHERE o.delivery = 'bounced') AS bounced,
              count(o.opened_at) AS opened, count(o.clicked_at) AS clicked, count(o.complained_at) AS complained
       FROM email_sends s LEFT JOIN send_outcomes o USING (send_id) WHERE s.state = 'accepted'"""
)
_BY_WEEKDAY = sa.text(
    """SELECT extract(isodow FROM claimed_at)::int AS day, count(*) AS letters, count(*) FILTER (WHERE step = 1) AS first FROM email_sends
       WHERE state = 'accepted' GROUP BY 1"""
)
_SOLD = sa.text(
    """SELECT count(*) AS purchased, count(*) FILTER (WHERE refunded_cents > 0) AS refunded,
              coalesce(sum(amount_cents), 0)::bigint AS paid_cents, coalesce(sum(refunded_cents), 0)::bigint AS refunded_cents
       FROM purchases WHERE state = ANY(:paid)"""
)
_REST = sa.text(
    """SELECT (SELECT count(*) FROM sourced_businesses) AS sourced, (SELECT count(*) FROM site_audits WHERE status = 'ok') AS audited,
              (SELECT count(*) FROM email_drafts WHERE status = 'drafted') AS drafted, (SELECT count(*) FROM campaign_days) AS campaign_days,
              (SELECT count(*) FROM vendor_calls) AS vendor_calls,
              (SELECT count(DISTINCT experiment) FROM experiment_assignments) AS experiments,
              (SELECT coalesce(sum(cost_microusd), 0)::bigint FROM vendor_calls) AS cost_microusd"""
)


@dataclasses.dataclass(frozen=True)
class Figures:
    """Counts of the whole quarter; ``by_weekday`` are letters by the day on which they left, Monday first; ``first_by_weekday`` those of
    them that began a conversation."""

    counts: dict[str, int]
    by_weekday: tuple[int, ...]
    first_by_weekday: tuple[int, ...]

    def share(self, of: str) -> float:
        """One count in the whole that it is judged by (``WHOLE``)."""
        whole = WHOLE[of]
        return self.counts[of] / self.counts[whole] if self.counts[whole] else 0.0


def count(tx: sa.Connection) -> Figures:
    """Everything, from the system of record."""
    counts = {
        name: int(value)
        for query, given in ((_LETTERS, {}), (_SOLD, {"paid": list(PAID)}), (_REST, {}))
        for name, value in tx.execute(query, given).mappings().one().items()
    }
    days = {row.day: (row.letters, row.first) for row in tx.execute(_BY_WEEKDAY)}
    letters, first = zip(*(days.get(day, (0, 0)) for day in range(1, 8)), strict=True)
    return Figures(counts, letters, first)


def doubts(figures: Figures, rules: Believable, weeks: float) -> list[str]:
    """Why nobody would believe it; empty when all holds. Below ``least_letters`` only what holds for every letter is judged."""
    found = [f"{WEEKDAYS[day]} has {figures.by_weekday[day]} letters: nobody writes on it" for day in (5, 6) if figures.by_weekday[day]]  # fmt: skip
    if figures.counts["letters"] < rules.least_letters:
        return found
    ranges: dict[str, Range] = {name: getattr(rules, name) for name in ("delivered", "bounced", "clicked", "purchased")}
    for name, (least, most) in ranges.items():
        share = figures.share(name)
        if not least <= share <= most:
            found.append(f"{name} is {share:.2%} of the {WHOLE[name]}: expected {least:.1%} to {most:.1%}")
    if weeks >= 1:
        found += _thin(figures.first_by_weekday, LEAST_SHARE_OF_FIRST_LETTERS, "first letters")
        found += _thin(figures.by_weekday, LEAST_SHARE_OF_LETTERS, "letters")
    return found


def _thin(by_weekday: tuple[int, ...], least: float, what: str) -> list[str]:
    """The workdays on which hardly anything leaves."""
    return [
        f"{WEEKDAYS[day]} has hardly any {what} ({by_weekday[day]}): the week has no pattern of work"
        for day in range(5)
        if by_weekday[day] < least * sum(by_weekday)
    ]
