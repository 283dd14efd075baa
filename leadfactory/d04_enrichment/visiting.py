"""Visits a business's own website and keeps what it publishes there, each field with its page; what fails has its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.website.client import SitePage, WebsiteClient
from leadfactory.d01_targeting import places as geography
from leadfactory.d02_sourcing.listings import Listing, normalise_address
from leadfactory.d04_enrichment import contacts, own_site, page, survivorship
from leadfactory.d04_enrichment.contacts import Contact
from leadfactory.d04_enrichment.mail_domains import MailDomains
from leadfactory.d04_enrichment.policy import Policy
from leadfactory.d04_enrichment.subjects import Subject
from leadfactory.d04_enrichment.survivorship import SiteCandidate
from leadfactory.keyed_hashes import KeyedHashes, normalise_name

# Top-level domains of countries whose shops an American target can be mistaken for; generic uses (.co, .io, .me, .tv) are not here.
ABROAD = frozenset(
    {"ca", "uk", "au", "nz", "ie", "de", "fr", "es", "it", "mx", "br", "in", "za", "nl", "be", "ch", "at", "jp", "cn"}
)


@dataclasses.dataclass(frozen=True)
class Visitor:
    """What a visit needs."""

    website: WebsiteClient
    mail: MailDomains
    hashes: KeyedHashes
    policy: Policy

    async def visit(self, candidates: Sequence[SiteCandidate], subject: Subject) -> dict[str, Any]:
        """The found part of a row from the first of the candidates' websites that is there.

        A website that cannot be had is not replaced by another's guess: only one that was named for this very business is
        tried next. When none is there, the surest one's reason stands.
        """
        first: dict[str, Any] | None = None
        for candidate in survivorship.websites(candidates, self.policy.survivorship):
            if not own_site.is_own(candidate.url):
                found: dict[str, Any] = {"status": "no_website", "reason": "page_on_another_site"}
            else:
                found = await self._one(candidate, subject)
            found["site_source"] = candidate.source
            if found["status"] == "ok":
                return found
            first = first or found
            if found["status"] == "unavailable":
                break  # it is there and was asked at a bad moment: it is tried again before another one is believed
        return first or {"status": "no_website", "reason": "none_known"}

    async def _one(self, candidate: SiteCandidate, subject: Subject) -> dict[str, Any]:
        try:
            home = await self.website.fetch(candidate.url)
        except VendorRejected as error:
            return {"status": "unreachable", "reason": error.reason}
        except VendorUnavailable as error:
            return {"status": "unavailable", "reason": f"site_{error.reason}", "retryable": True}
        if not own_site.is_own(home.final_url):
            return {"status": "no_website", "reason": "redirects_to_another_site"}
        reading = page.read(home, hint=subject.listing.name if subject.listing else None)
        if reading.parked:
            return {"status": "unreachable", "reason": "parked"}
        found = self._published(home, reading, subject, candidate)
        hosts = {own_site.host_of(candidate.url), own_site.host_of(home.final_url)}
        return found | await self._contact(home, reading, hosts, found, subject.given)

    def _published(
        self, home: SitePage, reading: page.Reading, subject: Subject, candidate: SiteCandidate
    ) -> dict[str, Any]:
        host, said, listed, rules = (
            own_site.host_of(home.final_url),
            reading.said,
            subject.listing,
            self.policy.survivorship,
        )
        place, sources = _located(reading, host, subject.place)
        confirmed = _listed(listed)
        for name, value, normal in (
            ("own_name", said.name, normalise_name(said.name or "")), ("own_phone", said.phone, said.phone),
            ("own_address", said.address, _normal_address(said.address, said.zip_code)), ("own_hours", said.hours, None),
        ):  # fmt: skip
            sure = survivorship.own_word(normal, confirmed.get(name), rules)
            sources[name] = (
                survivorship.unknown("not_on_the_site") if value is None else survivorship.read_from(home, sure, rules)
            )
        sources["site_url"] = survivorship.known(
            candidate.source, home.fetched_at, candidate.confidence(rules), home.final_url
        )
        sources["country"].setdefault("fetched_at", home.fetched_at.isoformat())
        return {
            "status": "ok", "site_url": home.final_url, "site_host": host,
            "site_domain_hmac": self.hashes.domain(own_site.registrable_domain(host)),
            "own_name": said.name, "own_name_url": home.final_url if said.name else None, "own_phone": said.phone,
            "own_address": said.address, "own_hours": said.hours, "platform": reading.platform,
            "site_language": reading.language, "page_facts": {"no_solicitation": reading.no_solicitation}, "fetched_at": home.fetched_at,
            "field_sources": sources, **place,
        }  # fmt: skip

    async def _contact(
        self, home: SitePage, reading: page.Reading, hosts: set[str], found: dict[str, Any], given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The address to write to: the imported one, else of the home page, else of its contact and imprint pages.

        The first whose domain takes mail.
        """
        facts, rules = found["page_facts"], self.policy.contact
        seen: list[tuple[Contact, SitePage]] = [(each, home) for each in reading.emails]
        if given.get("email"):  # the operator's own data comes before what the site shows
            seen.insert(0, (Contact(given["email"], "import"), home))
        urls = reading.contact_urls[: rules.pages]
        for url in urls:
            if facts["no_solicitation"] or contacts.choices([each for each, _ in seen], hosts):
                break
            try:
                more_page = await self.website.fetch(url)
            except VendorError as error:
                facts["contact_page_reason"] = error.reason
                continue
            more = page.read(more_page)
            facts["no_solicitation"] = more.no_solicitation
            seen += [(each, more_page) for each in more.emails]
        sources = found["field_sources"]
        if facts["no_solicitation"]:
            sources["contact_email"] = survivorship.unknown("asks_sellers_not_to_write")
            return {}
        chosen = contacts.choices([each for each, _ in seen], hosts)
        refused: dict[str, Any] = {}
        for choice in chosen:
            checked = await self.mail.check(choice.contact.email)
            check = {"contact_email_check": checked.state, "contact_email_check_reason": checked.reason}
            if checked.state == "refused":
                refused = refused or check
                continue
            where = next(at for each, at in seen if each.email == choice.contact.email)
            sure = rules.confidence[choice.contact.how]  # type: ignore[index]
            if checked.state == "weak":
                sure *= rules.no_mx_but_address
            imported = choice.contact.how == "import"
            url = given["evidence"] if imported else where.final_url
            sources["contact_email"] = (
                survivorship.known("import", where.fetched_at, sure, url)
                if imported
                else survivorship.read_from(where, sure, self.policy.survivorship)
            )
            return check | {
                "contact_email": choice.contact.email, "contact_email_url": url,
                "contact_email_how": choice.contact.how, "contact_email_kind": choice.kind,
                "contact_email_hmac": self.hashes.address(choice.contact.email),
            }  # fmt: skip
        sources["contact_email"] = survivorship.unknown(
            refused.get("contact_email_check_reason") or ("only_strangers_addresses" if seen else "none_on_the_site")
        )
        return refused


def _listed(listing: Listing | None) -> dict[str, Any]:
    """What the listing says, in the normal forms in which the own words are compared with it."""
    if listing is None:
        return {}
    return {"own_name": normalise_name(listing.name), "own_phone": listing.phone, "own_address": listing.postal}


def _normal_address(line: str | None, code: str | None) -> str | None:
    return normalise_address(line.split(",")[0], code) if line else None


def _located(
    reading: page.Reading, host: str, place: geography.Place
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Country, state and time zone with their sources: the own address when it lies in the target's states, else the target's.

    A chain's site shows its head office, which says nothing about the branch that was sourced. A site that names another
    country, or one that we cannot read, is not assumed to be in the US: such a lead is never mailed.
    """
    said = reading.said
    country, source = "US" if said.country is None else (said.country or None), {"source": "target_place"}
    if said.country is not None:
        source = {"source": "own_site"}
        if country != "US":
            source["reason"] = "site_names_another_country" if country else "country_unreadable"
    elif host.rpartition(".")[2] in ABROAD and said.phone is None and said.address is None:
        country, source = None, {"source": "own_site", "reason": "site_of_another_country"}
    state = geography.state_of_zip(said.zip_code or "")
    if state is None or state not in place.states:
        target = {"source": "target_place"}
        return {"country": country}, {"country": source, "state": target, "timezone": target}
    zone = geography.timezone_of_zip(said.zip_code or "") or place.timezone
    own = {"source": "own_site"}
    return {"country": country, "state": state, "timezone": zone}, {"country": source, "state": own, "timezone": own}
