"""Turns a lead and its words into the row of a draft with its verdict: the fullest form that the guard lets pass."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

from leadfactory.campaign_day import CampaignDay
from leadfactory.d00_gateway.openai import Parsed
from leadfactory.d03_assessment.wording import Fact
from leadfactory.d08_personalization import composing, draft_guard, letter_wording
from leadfactory.d08_personalization.composing import Mail, Wording
from leadfactory.d08_personalization.contents import Content, Links, Terms
from leadfactory.d08_personalization.draft_guard import Problem
from leadfactory.d08_personalization.letter_wording import Letter
from leadfactory.d08_personalization.letters import config
from leadfactory.d08_personalization.store import ASSET, Lead
from leadfactory.d09_delivery.identity import send_id
from leadfactory.quality.verdicts import Verdict
from leadfactory.tokens import Tokens


class Writer:
    """What the drafts of one campaign-day have in common."""

    def __init__(self, unit: CampaignDay, tokens: Tokens, public_url: str) -> None:
        self._unit, self._tokens, self._base = unit, tokens, public_url.rstrip("/")

    def row(
        self, lead: Lead, wording: Wording | None, answer: Parsed[Letter] | None, now: dt.datetime
    ) -> tuple[dict[str, Any], Verdict | None]:
        """The row, and the guard's verdict on it; none for a business that is held out or has nothing to be told."""
        row = blank(self._unit, lead, now)
        if lead.held_out_of:
            return row | {"status": "held_out", "reason": f"holdout of {', '.join(lead.held_out_of)}"}, None
        if lead.content is None or wording is None or lead.price is None:
            what = "no findings to write about" if lead.step == 1 else "no finding that the letters before left untold"
            return row | {"status": "rejected", "reason": what}, None
        terms = Terms(lead.sender, self.links(lead.business_id, lead.step), lead.price)
        told, mail, broken = _best(lead.content, wording, lead, terms)
        if broken and wording.source == "openai":
            wording = composing.by_rules(lead.content, f"guard: {broken[0]}")
            told, mail, broken = _best(lead.content, wording, lead, terms)
        row |= columns(mail, told.told) | {
            "reason": wording.reason,
            "wording": wording.source,
            "prompt_version": letter_wording.PROMPT_VERSION if lead.step == 1 else None,
            "model": answer.model if answer else None,
            "input_tokens": answer.input_tokens if answer else None,
            "output_tokens": answer.output_tokens if answer else None,
            "cost_microusd": answer.cost_microusd if answer else None,
        }
        row |= {"status": "rejected", "reason": f"guard: {broken[0]}"} if broken else {"status": "drafted"}
        return row, verdict(self._unit, row, broken)

    def links(self, business_id: uuid.UUID, step: int) -> Links:
        """The links of the send that a draft will have."""
        identifier = send_id(self._unit.campaign, business_id, step)
        return Links(
            f"{self._base}/a/{self._tokens.sign('landing', identifier)}",
            f"{self._base}/u/{self._tokens.sign('unsubscribe', identifier)}",
        )


def verdict(unit: CampaignDay, row: dict[str, Any], broken: Sequence[Problem]) -> Verdict:
    """The guard's word on the very text of a row."""
    return Verdict(
        ASSET,
        unit,
        draft_guard.SUITE,
        draft_guard.version(),
        row["content_hash"],
        not broken,
        draft_guard.RULES,
        tuple(map(str, broken)),
        row["draft_id"],
    )


def draft_id(unit: CampaignDay, business_id: uuid.UUID, step: int, version: int) -> uuid.UUID:
    """The one id of a version of a letter."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"leadfactory:{unit.key}:draft:{business_id}:{step}:{version}")


def columns(mail: Mail, told: Sequence[Fact]) -> dict[str, Any]:
    """What a letter itself puts into its row."""
    return {
        "subject": mail.subject,
        "preview": mail.preview,
        "body_html": mail.html,
        "body_text": mail.text,
        "price_cents": mail.price_cents,
        "currency": mail.currency,
        "facts": dict(mail.facts),
        "finding_ids": [fact.finding_id for fact in told],
        "content_hash": draft_guard.content_hash(mail.subject, mail.preview, mail.html, mail.text),
    }


def _best(content: Content, wording: Wording, lead: Lead, terms: Terms) -> tuple[Content, Mail, list[Problem]]:
    """The fullest form of the letter that the guard lets pass; else the full form with what is wrong with it."""
    forms = [(content, wording)]
    if content.own_name is not None:
        forms.append((dataclasses.replace(content, own_name=None), wording))
    plain = forms[-1][0]
    if content.quick is not None:
        forms.append((dataclasses.replace(plain, quick=None), wording))
    if content.second is not None and content.quick is not None:
        forms.append((dataclasses.replace(plain, second=None), dataclasses.replace(wording, second=None)))
    first: tuple[Content, Mail, list[Problem]] | None = None
    for told, words in forms:
        mail = composing.compose(told, words, arm=lead.subject_arm, terms=terms, template=lead.template)
        broken = draft_guard.problems(mail, told, terms)
        if not broken:
            return told, mail, []
        first = first or (told, mail, broken)
    assert first is not None
    return first


def template_version(arm: str | None) -> str:
    """What is stored of how a letter looks: the version of all, and the template where it is not the default."""
    name = config().template_of(arm)
    return config().template_version + ("" if name == config().default_template else f"/{name}")


def blank(unit: CampaignDay, lead: Lead, now: dt.datetime) -> dict[str, Any]:
    """A row before anything was written."""
    return {
        **dict.fromkeys(
            ("reason", "subject", "preview", "body_html", "body_text", "price_cents", "currency", "prompt_version", "model",
             "input_tokens", "output_tokens", "cost_microusd")
        ),
        "campaign": unit.campaign,
        "cohort_on": unit.day,
        "draft_id": draft_id(unit, lead.business_id, lead.step, lead.version),
        "business_id": lead.business_id,
        "step": lead.step,
        "version": lead.version,
        "facts": {},
        "finding_ids": [],
        "arms": dict(lead.arms),
        "wording": "rules",
        "template_version": template_version(lead.template),
        "content_hash": draft_guard.content_hash("", "", "", ""),
        "drafted_at": now,
    }  # fmt: skip
