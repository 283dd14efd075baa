"""Pre-flight for a sender's domain: what SPF, DKIM and DMARC say in DNS before a mailbox provider asks. ``judge`` is pure.

Gmail, Yahoo and Outlook refuse bulk mail whose domain lacks one of the three. Only what DNS can tell is judged: whether a mail is
really signed shows in its headers alone.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Mapping, Sequence

from leadfactory.d00_gateway.mail import SENDGRID
from leadfactory.d04_enrichment.contacts import registrable_domain
from leadfactory.d04_enrichment.mail_domains import MailDomains, Silent

SELECTORS = {SENDGRID: ("s1", "s2")}  # what SendGrid's domain authentication publishes
MOST_LOOKUPS = 10  # RFC 7208, section 4.6.4
_LOOKS_UP = re.compile(r"^[+?~-]?(include:|a$|a[:/]|mx$|mx[:/]|ptr$|ptr:|exists:)|^redirect=", re.IGNORECASE)
_WEAK_KEY_BITS = 1024


@dataclasses.dataclass(frozen=True)
class Found:
    """One thing that was looked at: ``state`` is ok, warning or broken; ``remedy`` is what to publish."""

    name: str
    state: str
    told: str
    remedy: str = ""


@dataclasses.dataclass(frozen=True)
class Records:
    """What DNS says, by name; None where no name server answered. ``lookups``: names that the SPF record leads to, itself apart."""

    texts: Mapping[str, Sequence[str] | None]
    lookups: int = 0


def domain_of(sender: str) -> str:
    """The domain of an address, or the domain itself.

    Raises:
        ValueError: it is none.
    """
    domain = sender.rpartition("@")[2].strip().lower().rstrip(".")
    if "." not in domain or not re.fullmatch(r"[a-z0-9.-]+", domain):
        raise ValueError(f"sender={sender!r} has no domain: write ana@mail.example.com or mail.example.com")
    return domain


async def look(sender: str, selectors: Sequence[str], asked: MailDomains) -> list[Found]:
    """Asks DNS and judges what it says.

    Raises:
        ValueError: the sender has no domain.
    """
    domain = domain_of(sender)
    names = [domain, f"_dmarc.{domain}", f"_dmarc.{registrable_domain(domain)}"]
    names += [f"{selector}._domainkey.{domain}" for selector in selectors]
    texts = {name: await _texts(asked, name) for name in dict.fromkeys(names)}
    return judge(domain, selectors, Records(texts, await _lookups(asked, _of(texts[domain], "v=spf1"), set())))


def judge(domain: str, selectors: Sequence[str], records: Records) -> list[Found]:
    """One finding for SPF, one for each DKIM selector together, one for DMARC."""
    return [_spf(domain, records), _dkim(domain, selectors, records), _dmarc(domain, records)]


def _spf(domain: str, records: Records) -> Found:
    known = records.texts[domain]
    if known is None:
        return _silent("SPF", domain)
    found = _of(known, "v=spf1")
    publish = f"publish one TXT record at {domain}: v=spf1 include:… -all"
    if len(found) != 1:
        return Found("SPF", "broken", f"{domain} has {len(found)} records v=spf1, and must have one", publish)
    terms = found[0].lower().split()[1:]
    ends = next((term for term in terms if term.endswith("all")), "")
    if ends in ("+all", "all"):
        return Found("SPF", "broken", f"{found[0]}: lets the whole world send", "end it with -all or ~all")
    if records.lookups > MOST_LOOKUPS:
        return Found("SPF", "broken", f"{found[0]}: leads to {records.lookups} look-ups, {MOST_LOOKUPS} are allowed", "include less")  # fmt: skip
    if ends not in ("-all", "~all") and not any(term.startswith("redirect=") for term in terms):
        return Found("SPF", "warning", f"{found[0]}: does not say who may not send", "end it with -all or ~all")
    return Found("SPF", "ok", f"{found[0]} ({records.lookups} look-ups)")


def _dkim(domain: str, selectors: Sequence[str], records: Records) -> Found:
    good, told = [], []
    for selector in selectors:
        name = f"{selector}._domainkey.{domain}"
        known = records.texts[name]
        bits = None if known is None else _bits(known)
        if known is None:
            told.append(f"{selector}: no name server answered")
        elif bits is None:
            told.append(f"{selector}: no key at {name}")
        elif bits < _WEAK_KEY_BITS:
            told.append(f"{selector}: a key of {bits} bits, which is too weak")
        else:
            good.append(f"{selector} ({bits} bits)")
    if not good:
        publish = "set up domain authentication with the mailer, or name your selectors with --selector"
        return Found("DKIM", "broken", "; ".join(told) or "no selector was named", publish)
    if told:
        return Found("DKIM", "warning", f"{', '.join(good)}; {'; '.join(told)}", "publish the missing keys")
    return Found("DKIM", "ok", ", ".join(good))


def _dmarc(domain: str, records: Records) -> Found:
    names = list(dict.fromkeys((f"_dmarc.{domain}", f"_dmarc.{registrable_domain(domain)}")))
    for name in names:
        known = records.texts[name]
        if known is None:
            return _silent("DMARC", name)
        found = _of(known, "v=DMARC1")
        if len(found) > 1:
            return Found("DMARC", "broken", f"{name} has {len(found)} records v=DMARC1, and must have one")
        if found:
            tags = dict(part.strip().split("=", 1) for part in found[0].split(";") if "=" in part)
            if tags.get("p", "").strip().lower() not in ("none", "quarantine", "reject"):
                return Found("DMARC", "broken", f"{found[0]}: p is none, quarantine or reject", f"correct it at {name}")
            if "rua" not in tags:
                return Found("DMARC", "warning", f"{found[0]}: nobody is told of failures", "add rua=mailto:…")
            return Found("DMARC", "ok", found[0])
    return Found(
        "DMARC", "broken", f"none at {' or '.join(names)}", f"publish at {names[-1]}: v=DMARC1; p=none; rua=mailto:…"
    )


def _silent(name: str, asked: str) -> Found:
    return Found(name, "broken", f"no name server answered for {asked}", "try again, or name one with --resolver")


def _of(texts: Sequence[str] | None, begins: str) -> list[str]:
    return [text for text in texts or () if text.lower().split(";")[0].split()[:1] == [begins.lower()]]


def _bits(texts: Sequence[str]) -> int | None:
    """The size of the first key in a DKIM record; None when there is none or it was revoked."""
    for text in texts:
        tags = dict(part.strip().split("=", 1) for part in text.split(";") if "=" in part)
        if not tags.get("p", "").strip():
            continue
        if tags.get("k", "rsa").strip() == "ed25519":
            return 2048  # as strong as an RSA key of more than that
        try:
            raw = base64.b64decode(re.sub(r"\s", "", tags["p"]), validate=False)
        except (binascii.Error, ValueError):
            return None
        return 1024 if 150 <= len(raw) < 250 else 2048 if len(raw) < 500 and len(raw) >= 250 else 4096 if len(raw) >= 500 else len(raw) * 8  # fmt: skip
    return None


async def _texts(asked: MailDomains, name: str) -> list[str] | None:
    try:
        answer = await asked.ask(name, "TXT")
    except Silent:
        return None
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer.records]  # type: ignore[attr-defined]


async def _lookups(asked: MailDomains, records: Sequence[str], seen: set[str]) -> int:
    """How many look-ups an SPF record causes, its includes' too; it stops counting beyond what is allowed."""
    count = 0
    for term in (term for record in records for term in record.split()[1:]):
        if not _LOOKS_UP.match(term):
            continue
        count += 1
        kind, _, name = term.lstrip("+?~-").replace("=", ":", 1).partition(":")
        if kind.lower() in ("include", "redirect") and name not in seen and len(seen) <= MOST_LOOKUPS:
            seen.add(name)
            count += await _lookups(asked, _of(await _texts(asked, name), "v=spf1"), seen)
    return count
