"""Writes the letter to each qualified lead once: measured facts, guarded words, and a verdict on that very draft."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
import uuid
from collections import Counter
from typing import Any

from leadfactory import campaign_days
from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway import budget
from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.openai import OpenAIClient, Parsed
from leadfactory.d03_assessment.closing import closed_for_buying
from leadfactory.d08_personalization import composing, draft_guard, letter_wording, store
from leadfactory.d08_personalization.composing import Content, Links, Mail, Wording
from leadfactory.d08_personalization.letter_wording import Letter
from leadfactory.d08_personalization.letters import config
from leadfactory.d08_personalization.store import ASSET, FIRST_TOUCH, Lead
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d11_experiments.buckets import HOLDOUT
from leadfactory.database import Database
from leadfactory.flow import Progress, each, quiet
from leadfactory.quality import rows as row_rules
from leadfactory.quality.verdicts import Verdict
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from leadfactory.tokens import Tokens

AT_ONCE = 12  # config/vendors.yaml holds the same concurrency; more would only wait there
SUBJECT_EXPERIMENT = "subject_line_test"


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
        expected, leads = store.waiting(tx, unit)
        shut, notes = closed_for_buying(tx, unit, clock.today()), []
        if shut is not None:
            notes.append(f"{shut}; {len(leads)} leads stay as they are")
            leads = []
        budget.qualify(tx, [lead.business_id for lead in leads], openai.gateway.policies.budgets)
    writer = _Writer(unit, openai, Tokens(settings.signing_keys.get_secret_value()), settings.public_url, clock)
    async with openai.gateway.running(unit=unit, asset=ASSET) as scope:

        async def work(lead: Lead) -> tuple[dict[str, Any], Verdict | None]:
            with openai.gateway.about(lead.business_id):
                return await writer.draft(lead)

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


class _Writer:
    """Everything that one run needs to turn a lead into a row and a verdict."""

    def __init__(self, unit: CampaignDay, openai: OpenAIClient, tokens: Tokens, public_url: str, clock: Clock) -> None:
        self._unit, self._openai, self._tokens, self._clock = unit, openai, tokens, clock
        self._base = public_url.rstrip("/")

    async def draft(self, lead: Lead) -> tuple[dict[str, Any], Verdict | None]:
        """The row, and the guard's verdict on it; none for a business that is held out."""
        now = self._clock.now()
        row = _blank(self._unit, lead, now)
        held = sorted(name for name, arm in lead.arms.items() if arm == HOLDOUT)
        if held:
            return row | {"status": "held_out", "reason": f"holdout of {', '.join(held)}"}, None
        content = lead.content
        if content is None:
            return row | {"status": "rejected", "reason": "no findings to write about"}, None
        links = self._links(lead)
        wording, answer = await self._worded(content)
        told, mail, broken = _best(content, wording, lead, links)
        if broken and wording.source == "openai":
            wording = composing.by_rules(content, f"guard: {broken[0]}")
            told, mail, broken = _best(content, wording, lead, links)
        row |= _columns(told, mail, wording, answer)
        row |= {"status": "rejected", "reason": f"guard: {broken[0]}"} if broken else {"status": "drafted"}
        return row, Verdict(
            ASSET,
            self._unit,
            draft_guard.SUITE,
            draft_guard.version(),
            row["content_hash"],
            not broken,
            draft_guard.RULES,
            tuple(broken),
            row["draft_id"],
        )

    async def _worded(self, content: Content) -> tuple[Wording, Parsed[Letter] | None]:
        try:
            answer = await self._openai.parse(
                instructions=letter_wording.instructions(content.vertical),
                input_text=letter_wording.prompt(content),
                schema=Letter,
                max_output_tokens=letter_wording.MOST_OUTPUT_TOKENS,
            )
        except VendorError as error:
            kind = "unavailable" if isinstance(error, VendorUnavailable) else "rejected"
            return composing.by_rules(content, f"openai {kind}: {error.reason}"), None
        return letter_wording.accepted(answer.value, content), answer

    def _links(self, lead: Lead) -> Links:
        identifier = send_id(self._unit.campaign, lead.business_id, FIRST_TOUCH)
        return Links(
            f"{self._base}/r/{self._tokens.sign('report', identifier)}",
            f"{self._base}/u/{self._tokens.sign('unsubscribe', identifier)}",
        )


def _best(content: Content, wording: Wording, lead: Lead, links: Links) -> tuple[Content, Mail, list[str]]:
    """The fullest form of the mail that the guard lets pass; else the full form with what is wrong with it."""
    forms = [(content, wording)]
    if content.own_name is not None:
        forms.append((dataclasses.replace(content, own_name=None), wording))
    plain = forms[-1][0]
    if content.quick is not None:
        forms.append((dataclasses.replace(plain, quick=None), wording))
    if content.second is not None and content.quick is not None:
        forms.append((dataclasses.replace(plain, second=None), dataclasses.replace(wording, second=None)))
    first: tuple[Content, Mail, list[str]] | None = None
    for told, words in forms:
        arm = lead.arms.get(SUBJECT_EXPERIMENT, "plain")
        mail = composing.compose(told, words, arm=arm, sender=lead.sender, links=links)
        broken = draft_guard.problems(mail, told, lead.sender, links)
        if not broken:
            return told, mail, []
        first = first or (told, mail, broken)
    assert first is not None
    return first


def _blank(unit: CampaignDay, lead: Lead, now: dt.datetime) -> dict[str, Any]:
    identifier = uuid.uuid5(
        uuid.NAMESPACE_URL, f"leadfactory:{unit.key}:draft:{lead.business_id}:{FIRST_TOUCH}:{lead.version}"
    )
    return {
        **dict.fromkeys(
            ("reason", "subject", "preview", "body_html", "body_text", "price_cents", "currency", "prompt_version", "model",
             "input_tokens", "output_tokens", "cost_microusd")
        ),
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "draft_id": identifier,
        "business_id": lead.business_id,
        "step": FIRST_TOUCH,
        "version": lead.version,
        "facts": {},
        "finding_ids": [],
        "arms": dict(lead.arms),
        "wording": "rules",
        "template_version": config().template_version,
        "content_hash": draft_guard.content_hash("", "", "", ""),
        "drafted_at": now,
    }  # fmt: skip


def _columns(told: Content, mail: Mail, wording: Wording, answer: Parsed[Letter] | None) -> dict[str, Any]:
    return {
        "reason": wording.reason,
        "subject": mail.subject,
        "preview": mail.preview,
        "body_html": mail.html,
        "body_text": mail.text,
        "price_cents": mail.price_cents,
        "currency": mail.currency,
        "facts": dict(mail.facts),
        "finding_ids": [fact.finding_id for fact in told.told],
        "wording": wording.source,
        "prompt_version": letter_wording.PROMPT_VERSION,
        "model": answer.model if answer else None,
        "input_tokens": answer.input_tokens if answer else None,
        "output_tokens": answer.output_tokens if answer else None,
        "cost_microusd": answer.cost_microusd if answer else None,
        "content_hash": draft_guard.content_hash(mail.subject, mail.preview, mail.html, mail.text),
    }
