"""Which of the addresses that a site publishes is the one to write to, and what kind of address it is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

from leadfactory.d04_enrichment.addresses import Contact
from leadfactory.d04_enrichment.own_site import registrable_domain
from leadfactory.d04_enrichment.own_words import TEXT_READ
from leadfactory.d04_enrichment.policy import ContactRules, policy
from leadfactory.keyed_hashes import FREE_MAIL

__all__ = ["Choice", "Contact", "best", "choices", "refuses_solicitation", "registrable_domain"]
_NO_SOLICITING = re.compile(
    r"\b(?:no|not|don['’]t|never|without)\b[^.!?\n]{0,40}\b(?:solicit(?:ing|ation|ations|ors)?|unsolicited|spam|marketing e-?mails?)\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Choice:
    """An address that may be written to: its kind (role, person, free_mail) and the group by which it is ranked."""

    contact: Contact
    kind: str
    group: str


def choices(candidates: Sequence[Contact], hosts: Iterable[str], rules: ContactRules | None = None) -> list[Choice]:
    """The addresses to write to, best first: by the groups of config/enrichment.yaml, then the role, then the page's order.

    Args:
        candidates: what ``addresses.published`` found.
        hosts: the hosts under which the site answered; more than one when it redirects.
        rules: instead of the configured ones.

    An address on a stranger's domain belongs to an agency or a widget, unless the business's structured data claims it; one
    beside "website by" belongs to the web designer whatever its domain, unless that is the business's own.
    """
    rules = rules or policy().contact
    own = {registrable_domain(host) for host in hosts}
    ranked = []
    for position, contact in enumerate(candidates):
        choice = _judged(contact, own, rules)
        if choice is not None and choice.group in rules.order:
            local = contact.email.rpartition("@")[0]
            ranked.append(((rules.order.index(choice.group), _role(local, rules), position), choice))
    return [choice for _, choice in sorted(ranked, key=lambda each: each[0])]


def best(candidates: Sequence[Contact], hosts: Iterable[str]) -> Contact | None:
    """The first of ``choices``; None when there is none."""
    found = choices(candidates, hosts)
    return found[0].contact if found else None


def refuses_solicitation(text: str) -> bool:
    """Whether the page asks not to be written to by sellers; its addresses are then left alone."""
    return _NO_SOLICITING.search(text[:TEXT_READ]) is not None


def _judged(contact: Contact, own: set[str], rules: ContactRules) -> Choice | None:
    local, _, domain = contact.email.rpartition("@")
    if contact.how == "import":
        kind = "free_mail" if domain in FREE_MAIL else "role" if _role(local, rules) < len(rules.roles) else "person"
        return Choice(contact, kind, "import")
    if registrable_domain(domain) in own:
        role = _role(local, rules) < len(rules.roles) or _is_the_business(local, own)
        return Choice(contact, "role" if role else "person", "own_role" if role else "own_person")
    if contact.designer:
        return None
    if domain in FREE_MAIL:
        return Choice(contact, "free_mail", "free_mail")
    if contact.how == "json_ld":
        return Choice(contact, "role" if _role(local, rules) < len(rules.roles) else "person", "claimed")
    return None


def _role(local: str, rules: ContactRules) -> int:
    """The position of a local part among the roles; their number when it is none ("info", "info2", "info-nyc" are "info")."""
    word = re.split(r"[^a-z]", local, maxsplit=1)[0]
    return rules.roles.index(word) if word in rules.roles else len(rules.roles)


def _is_the_business(local: str, own: set[str]) -> bool:
    """Whether a local part repeats the domain's own name: joespizza@joespizza.com is nobody's private address."""
    plain = re.sub(r"[^a-z0-9]", "", local)
    return any(plain and plain == re.sub(r"[^a-z0-9]", "", domain.partition(".")[0]) for domain in own)
