"""Writes the letter to each qualified lead once: measured facts, guarded words, and a verdict on that very draft."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import budget
from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.openai import OpenAIClient, Parsed
from leadfactory.d00_gateway.scope import no_calls
from leadfactory.d03_assessment.closing import closed_for_buying
from leadfactory.d08_personalization import composing, letter_wording, store
from leadfactory.d08_personalization.composing import Wording
from leadfactory.d08_personalization.contents import Content
from leadfactory.d08_personalization.letter_wording import Letter
from leadfactory.d08_personalization.store import ASSET, Lead
from leadfactory.d08_personalization.writing import Writer
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
from leadfactory.quality import rows as row_rules
from leadfactory.quality.verdicts import Verdict
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from leadfactory.tokens import Tokens

AT_ONCE = 12  # config/vendors.yaml holds the same concurrency; more would only wait there


async def draft(
    unit: CampaignDay,
    *,
    db: Database,
    clock: Clock,
    settings: Settings,
    openai: OpenAIClient,
    progress: Progress = quiet,
) -> StageReport:
    """Drafts for the qualified leads of ``unit`` that have no draft, or one that names another sender than the campaign.

    A model that refuses, errs or is down costs nothing but its words: the rules' sentences stand in, with the reason.
    """
    began = time.monotonic()
    with db.begin() as tx:
        state = campaign_days.open_day(tx, unit, clock.now())
        expected, leads = store.waiting(tx, unit, clock.now())
        shut, notes = closed_for_buying(tx, unit, clock.today()), []
        if shut is not None:
            notes.append(f"{shut}; {len(leads)} leads stay as they are")
            leads = []
        budget.qualify(tx, [lead.business_id for lead in leads], openai.gateway.policies.budgets)
    writer = Writer(unit, Tokens(settings.signing_keys.get_secret_value()), settings.public_url)
    opened = openai.gateway.running(unit=unit, asset=ASSET) if leads else no_calls(unit, ASSET)
    async with opened as scope:

        async def work(lead: Lead) -> tuple[dict[str, Any], Verdict | None]:
            with openai.gateway.about(lead.business_id):
                wording, answer = await _worded(openai, lead)
                return writer.row(lead, wording, answer, clock.now())

        await each(
            leads,
            work,
            lambda rows: store.write(db, unit, rows, clock.now()),
            at_once=AT_ONCE,
            told=lambda done, total: progress(ASSET, done, total),
        )
    with db.begin() as tx:
        rows = store.told(tx, unit)
        refused = row_rules.count_refused(tx, ASSET, unit)
    statuses = Counter(row.status for row in rows)
    worded = Counter(row.wording for row in rows if row.status == "drafted")
    reasons = Counter(row.reason for row in rows if row.reason and row.status != "held_out")
    return StageReport(
        ASSET,
        unit,
        state,
        rows_in=expected,
        rows_out=len(rows) - statuses["rejected"],
        rows_rejected=max(refused, statuses["rejected"]),
        rows_reused=min(expected, len(rows)) - len(leads),
        rows_open=max(0, expected - len(rows)),
        calls=scope.calls,
        spend_microusd=scope.spend_microusd,
        seconds=time.monotonic() - began,
        counts={
            **{name: statuses[name] for name in ("drafted", "rejected", "held_out")},
            **{f"worded by {name}": count for name, count in sorted(worded.items())},
        },
        notes=(*notes, *(f"{count}: {reason}" for reason, count in reasons.most_common(6))),
    )


async def _worded(openai: OpenAIClient, lead: Lead) -> tuple[Wording | None, Parsed[Letter] | None]:
    """The model's words when there is something to write and the guard lets them pass, else the rules' with the reason."""
    content: Content | None = lead.content
    if content is None or lead.held_out_of:
        return None, None
    try:
        answer = await openai.parse(
            instructions=letter_wording.instructions(content.vertical),
            input_text=letter_wording.prompt(content),
            schema=Letter,
            max_output_tokens=letter_wording.MOST_OUTPUT_TOKENS,
        )
    except VendorError as error:
        kind = "unavailable" if isinstance(error, VendorUnavailable) else "rejected"
        return composing.by_rules(content, f"openai {kind}: {error.reason}"), None
    return letter_wording.accepted(answer.value, content), answer
