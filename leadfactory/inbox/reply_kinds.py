"""What an answer means: a machine's notice, a returned mail, a wish to hear no more, or a person's word. Pure; no language model."""

from __future__ import annotations

import re
from typing import Literal

from leadfactory.inbox.inbound import Inbound
from leadfactory.inbox.reply_rules import ReplyRules, plain

Kind = Literal["bounce", "out_of_office", "stop", "reply"]
_INTRODUCES = re.compile(
    r"^(on|am|el|le|il|op|em|a|dnia|w dniu|vao)\b.{4,240}\b(wrote|schrieb|escribio|a ecrit|ha scritto|schreef|escreveu|napisal(\(a\))?|đa viet)"
    r"\W{0,2}.{0,160}:\s*$"
)
_INTRODUCED = re.compile(r"^.{4,240}(写道|寫道|さんは書きました|пишет|написал\(?а?\)?)\s*:\s*$")  # of one line only
_HEADER_BLOCK = re.compile(r"^\*?(from|von|de|da)\*?:\s.*$")


def kind_of(mail: Inbound, rules: ReplyRules) -> Kind:
    """What the mail means. A machine's mail is never a person's wish, whatever words it holds."""
    if _returned(mail, rules):
        return "bounce"
    if _automatic(mail, rules):
        return "out_of_office"
    return "stop" if _says_stop(mail, rules) else "reply"


def own_words(text: str, rules: ReplyRules) -> str:
    """The text without the letter that it quotes, over it or under it: our own letter says "unsubscribe" too."""
    kept: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        said = plain(line).strip()
        joined = f"{said} {plain(lines[number + 1]).strip()}" if number + 1 < len(lines) else said
        if (
            any(said.startswith(start) for start in rules.quote_lines)
            or _INTRODUCES.match(said)
            or _INTRODUCED.match(said)
            or _INTRODUCES.match(joined)
        ):
            kept += _below(lines[number + 1 :])
            break
        if (
            kept
            and _HEADER_BLOCK.match(said)
            and any(plain(each).startswith(("to:", "sent:", "subject:")) for each in lines[number : number + 5])
        ):
            break
        if not said.startswith(">"):
            kept.append(line)
    return "\n".join(kept).strip()


def _below(lines: list[str]) -> list[str]:
    """What is written under a letter that is quoted with a mark on each line; nothing where it is quoted without."""
    marked = [number for number, line in enumerate(lines) if line.lstrip().startswith(">")]
    if not marked:
        return []
    rest = lines[marked[-1] + 1 :]  # directly under the last mark stands the end of a line that was broken
    begins = next((number for number, line in enumerate(rest) if not line.strip()), len(rest))
    ends = next((number for number, line in enumerate(rest) if line.strip() == "--"), len(rest))
    return rest[begins:ends]


def _says_stop(mail: Inbound, rules: ReplyRules) -> bool:
    words = plain(own_words(mail.text, rules))
    alone = " ".join(re.findall(r"\w+", words))
    subject = plain(mail.subject).strip()
    bare = " ".join(re.findall(r"\w+", subject))
    first = next((" ".join(re.findall(r"\w+", line)) for line in words.splitlines() if line.strip()), "")
    if (
        alone in rules.stop_alone
        or first in rules.stop_alone
        or (bare in rules.stop_alone and not subject.startswith("re:"))
    ):
        return True
    flat = f" {' '.join(words.split())} "
    return any(phrase in flat for phrase in rules.stop_phrases)


def _automatic(mail: Inbound, rules: ReplyRules) -> bool:
    for name, starts in rules.automatic_headers.items():
        value = mail.headers.get(name)
        if value is not None and any(value.strip().lower().startswith(start) for start in starts):
            return True
    if mail.envelope_sender == "":
        return True  # nobody who wants to be answered sends from nowhere (RFC 3834)
    return any(plain(mail.subject).lstrip(" [(*").startswith(start) for start in rules.automatic_subjects)


def _returned(mail: Inbound, rules: ReplyRules) -> bool:
    if (
        mail.headers.get("content-type", "").lower().startswith("multipart/report")
        and "delivery-status" in mail.headers["content-type"].lower()
    ):
        return True
    return any(name in mail.sender.lower() for name in rules.bounce_senders)
