"""Figures of a run that serves buyers in several rounds."""

from __future__ import annotations

from leadfactory.inbox.paying import together

FIRST = {"mails accepted": 2, "mails refused": 1, "refunds waiting": 3, "not measured again: OSError": 1}


def test_what_was_done_is_added_up() -> None:
    assert together(FIRST, {"mails accepted": 1, "reports sealed": 1}).items() >= {
        "mails accepted": 3, "mails refused": 1, "reports sealed": 1,
    }.items()  # fmt: skip


def test_what_is_left_undone_is_as_the_last_round_left_it() -> None:
    told = together(FIRST, {"refunds waiting": 1})
    assert (told["refunds waiting"], "not measured again: OSError" in told) == (1, False)
