"""What a simulated quarter came to, counted in the ledgers, and whether anybody would believe it."""

from __future__ import annotations

import dataclasses

import sqlalchemy as sa

from cli.simulating.script import Believable, Range
from leadfactory.d10_analytics.sales import PAID

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LEAST_SHARE_OF_A_WEEKDAY = (
    0.03  # of a week's letters: what the weekend found leaves on Monday, its follow-ups on Friday and Monday
)
_LETTERS = sa.text(
    """SELECT count(*) AS letters, count(DISTINCT s.business_id) AS businesses,
              count(*) FILTER (WHERE o.delivery = 'delivered') AS delivered,
              count(*) FILTER (WHERE o.delivery = 'bounced') AS bounced,
              count(o.opened_at) AS opened, count(o.clicked_at) AS clicked, count(o.complained_at) AS complained
       FROM email_sends s LEFT JOIN send_outcomes o USING (send_id) WHERE s.state = 'accepted'"""
)
_BY_WEEKDAY = sa.text(
    """SELECT extract(isodow FROM claimed_at)::int AS day, count(*) AS letters FROM email_sends
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
    """Counts of the whole quarter; ``by_weekday`` are letters by the day on which they left, Monday first."""

    counts: dict[str, int]
    by_weekday: tuple[int, ...]

    def share(self, of: str, whole: str = "letters") -> float:
        """One count in another."""
        return self.counts[of] / self.counts[whole] if self.counts[whole] else 0.0


def count(tx: sa.Connection) -> Figures:
    """Everything, from the system of record."""
    counts = {
        name: int(value)
        for query, given in ((_LETTERS, {}), (_SOLD, {"paid": list(PAID)}), (_REST, {}))
        for name, value in tx.execute(query, given).mappings().one().items()
    }
    days = {row.day: row.letters for row in tx.execute(_BY_WEEKDAY)}
    return Figures(counts, tuple(days.get(day, 0) for day in range(1, 8)))


def doubts(figures: Figures, rules: Believable, weeks: float) -> list[str]:
    """Why nobody would believe it; empty when all holds. Below ``least_letters`` only what holds for every letter is judged."""
    found = [f"{WEEKDAYS[day]} has {figures.by_weekday[day]} letters: nobody writes on it" for day in (5, 6) if figures.by_weekday[day]]  # fmt: skip
    if figures.counts["letters"] < rules.least_letters:
        return found
    ranges: dict[str, Range] = {name: getattr(rules, name) for name in ("delivered", "bounced", "clicked", "purchased")}
    for name, (least, most) in ranges.items():
        share = figures.share(name)
        if not least <= share <= most:
            found.append(f"{name} is {share:.2%} of the letters: expected {least:.1%} to {most:.1%}")
    if weeks >= 1:
        thin = [WEEKDAYS[day] for day in range(5) if figures.by_weekday[day] < LEAST_SHARE_OF_A_WEEKDAY * figures.counts["letters"]]  # fmt: skip
        found += [f"{day} has hardly any letters: the week has no pattern of work" for day in thin]
    return found
