"""What an answer means: a machine's notice, a returned mail, a wish to hear no more, or a person's word. Pure; no language model."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from leadfactory.inbox.inbound import Inbound
from leadfactory.inbox.reply_rules import ReplyRules

Kind = Literal["bounce", "out_of_office", "stop", "reply"]
_INTRODUCES = re.compile(
    r"^(on|am|el|le|il|op)\b.{4,240}\b(wrote|schrieb|escribio|a ecrit|ha scritto|schreef)\b.{0,160}:\s*$"
)
_HEADER_BLOCK = re.compile(r"^\*?(from|von|de|da)\*?:\s.*$")


def kind_of(mail: Inbound, rules: ReplyRules) -> Kind:
    """What the mail means. A machine's mail is never a person's wish, whatever words it holds."""
    if _returned(mail, rules):
        return "bounce"
    if _automatic(mail, rules):
        return "out_of_office"
    return "stop" if _says_stop(mail, rules) else "reply"


def own_words(text: str, rules: ReplyRules) -> str:
    """The text without the letter that it quotes: our own letter says "unsubscribe" too."""
    kept: list[str] = []
    lines = text.splitlines()
    for number, line in enumerate(lines):
        plain = _plain(line).strip()
        joined = f"{plain} {_plain(lines[number + 1]).strip()}" if number + 1 < len(lines) else plain
        if (
            any(plain.startswith(start) for start in rules.quote_lines)
            or _INTRODUCES.match(plain)
            or _INTRODUCES.match(joined)
        ):
            break
        if (
            kept
            and _HEADER_BLOCK.match(plain)
            and any(_plain(each).startswith(("to:", "sent:", "subject:")) for each in lines[number : number + 5])
        ):
            break
        if not plain.startswith(">"):
            kept.append(line)
    return "\n".join(kept).strip()


def _says_stop(mail: Inbound, rules: ReplyRules) -> bool:
    words = _plain(own_words(mail.text, rules))
    alone = " ".join(re.findall(r"\w+", words))
    subject = _plain(mail.subject).strip()
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
    return any(_plain(mail.subject).strip().startswith(start) for start in rules.automatic_subjects)


def _returned(mail: Inbound, rules: ReplyRules) -> bool:
    if (
        mail.headers.get("content-type", "").lower().startswith("multipart/report")
        and "delivery-status" in mail.headers["content-type"].lower()
    ):
        return True
    return any(name in mail.sender.lower() for name in rules.bounce_senders)


def _plain(text: str) -> str:
    """Lower case, without accents and apostrophes ("Don't" is "dont"), "e-mail" as "email", "opt-out" as "opt out"."""
    folded = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    joined = re.sub(r"['’‘`´]", "", folded).replace("e-mail", "email")
    return re.sub(r"(?<=\w)-(?=\w)", " ", joined)
