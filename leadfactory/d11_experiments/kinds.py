"""What each experiment changes, and the arm that a business has of such a change. Rooms ask by the kind, not by a test's name."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from leadfactory.d11_experiments.buckets import HOLDOUT
from leadfactory.d11_experiments.tables import experiments

SUBJECT_LINE, TEMPLATE, SEND_TIME = "subject_line", "template", "send_time"
_BEFORE_DESIGNS = {"subject_line_test": SUBJECT_LINE}  # versions that say nothing of what they change
Kinds = Mapping[str, str]


def of_all(tx: sa.Connection) -> Kinds:
    """Experiment → what its newest version changes; stopped ones too, for a business keeps its arm."""
    t = experiments
    rows = tx.execute(
        sa.select(t.c.experiment, t.c.design["changes"].astext.label("changes"))
        .where(t.c.design.is_not(None))
        .order_by(t.c.experiment, t.c.version)
    )
    return _BEFORE_DESIGNS | {row.experiment: row.changes for row in rows}


def arm(kinds: Kinds, arms: Mapping[str, str], kind: str) -> str | None:
    """The arm of a business among ``arms`` (by experiment) that changes ``kind``; of several tests the first by name."""
    found = (arms[name] for name in sorted(arms) if kinds.get(name) == kind and arms[name] != HOLDOUT)
    return next(found, None)


def named(kinds: Kinds, kind: str) -> list[str]:
    """The experiments that change ``kind``."""
    return sorted(name for name, changes in kinds.items() if changes == kind)
