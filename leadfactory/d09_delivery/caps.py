"""How much may leave on one day: by sender, with the warm-up of one that mailboxes do not know yet, and by recipient domain.

``Caps`` is pure: counts of what may have left today against config/delivery.yaml. Claims are one at a time, which makes it exact.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d09_delivery.policy import DeliveryPolicy, policy

# A recipient's domain in SQL over the alias s, told by its keyed hash where it is a business's own.
RECIPIENT_DOMAIN = "coalesce(s.mail_provider, encode(s.domain_hmac, 'hex'), '')"
_MAY_HAVE_LEFT = "s.state IN ('claimed', 'accepted', 'unknown')"
_OF_SENDERS = f"""SELECT s.sender_email, count(*) AS n FROM email_sends s
    WHERE s.claimed_at >= :midnight AND {_MAY_HAVE_LEFT}"""  # noqa: S608 - constants only
_SENDERS = sa.text(f"{_OF_SENDERS} GROUP BY 1")
_SENDERS_NAMED = sa.text(f"{_OF_SENDERS} AND s.sender_email = ANY(:senders) GROUP BY 1")
_SENDERS_AMONG = sa.text("SELECT DISTINCT sender_email FROM email_sends WHERE send_id = ANY(:among)")
_OF_DOMAINS = f"""SELECT {RECIPIENT_DOMAIN} AS domain, count(*) AS n FROM email_sends s
    WHERE s.claimed_at >= :midnight AND {_MAY_HAVE_LEFT}"""  # noqa: S608 - constants only
_BY_DOMAIN = "GROUP BY s.mail_provider, s.domain_hmac"  # of which a send has one
_BUSY_DOMAINS = sa.text(f"{_OF_DOMAINS} {_BY_DOMAIN} HAVING count(*) >= :fewest")
_PROVIDERS = sa.text(
    f"{_OF_DOMAINS} AND s.domain_hmac IS NULL AND coalesce(s.mail_provider, '') = ANY(:providers) {_BY_DOMAIN}"
)
_OWN_DOMAINS = sa.text(  # from the few that are asked about to their mails, of which a domain has few
    f"""SELECT {RECIPIENT_DOMAIN} AS domain, count(*) AS n FROM unnest(CAST(:own AS bytea[])) AS x (domain_hmac)
        JOIN email_sends s ON s.domain_hmac = x.domain_hmac WHERE s.claimed_at >= :midnight AND {_MAY_HAVE_LEFT} {_BY_DOMAIN}"""  # noqa: S608
)
_DAYS = sa.text(
    f"""SELECT x.sender_email, count(*) AS days
        FROM unnest(CAST(:senders AS text[])) AS x (sender_email) CROSS JOIN generate_series(1, :days) AS n
        WHERE (SELECT TRUE FROM email_sends s WHERE s.sender_email = x.sender_email AND {_MAY_HAVE_LEFT}
          AND s.claimed_at >= CAST(:midnight AS timestamptz) - n * interval '1 day'
          AND s.claimed_at < CAST(:midnight AS timestamptz) - (n - 1) * interval '1 day' LIMIT 1)
        GROUP BY 1"""  # noqa: S608 - constants only; LIMIT: a look into the index for each day, never a join of all with all
)


class Caps:
    """What one UTC day has taken of each cap.

    Args:
        senders: mails of today by sender.
        domains: mails of today by recipient domain: the provider's name, or the hash of an own domain.
        active_days: by sender, on how many days before today it sent, of those that the warm-up looks at.
    """

    def __init__(
        self, rules: DeliveryPolicy, senders: Mapping[str, int], domains: Mapping[str, int], active_days: Mapping[str, int]
    ) -> None:  # fmt: skip
        self._rules, self._active_days = rules, active_days
        self._senders, self._domains = Counter(senders), Counter(domains)

    def sender_cap(self, sender: str, *, simulated: bool) -> tuple[int, str]:
        """The most mails of a sender today, and the gate that this is: its warm-up or its full cap."""
        ramp, day = self._rules.warm_up.per_day, self._active_days.get(sender, 0)
        full = self._rules.sender_cap_per_day
        if simulated or day >= len(ramp) or ramp[day] >= full:
            return full, "sender_cap"
        return ramp[day], "warm_up"

    def stops(self, sender: str, domain: str, *, own_domain: bool, simulated: bool) -> str | None:
        """The gate that stops one mail more; None when none does."""
        cap, gate = self.sender_cap(sender, simulated=simulated)
        if self._senders[sender] >= cap:
            return gate
        if self._domains[domain] >= self._domain_cap(own_domain):
            return "recipient_domain_cap"
        return None

    def know(self, domains: Mapping[str, int]) -> None:
        """Mails of today to recipient domains that a claim is about to judge."""
        self._domains.update({domain: sent for domain, sent in domains.items() if domain not in self._domains})

    def take(self, sender: str, domain: str) -> None:
        """One mail more leaves."""
        self._senders[sender] += 1
        self._domains[domain] += 1

    @property
    def capped(self) -> list[str]:
        """Senders that have sent all that they ever may on a day."""
        return sorted(sender for sender, sent in self._senders.items() if sent >= self._rules.sender_cap_per_day)

    @property
    def warming(self) -> list[str]:
        """Senders that have sent all that their warm-up allows today."""
        known = self._senders.items()
        return sorted(sender for sender, sent in known if sent >= self.sender_cap(sender, simulated=False)[0])

    @property
    def full_domains(self) -> tuple[list[str], list[str]]:
        """Recipient domains that got enough today, judged as a provider's, and as an own domain."""
        provider, own = (self._domain_cap(of) for of in (False, True))
        full = sorted(self._domains.items())
        return [name for name, sent in full if sent >= provider], [name for name, sent in full if sent >= own]

    def _domain_cap(self, own: bool) -> int:
        caps = self._rules.recipient_domain_cap_per_day
        return caps.own_domain if own else caps.mail_provider


def of_today(
    tx: sa.Connection,
    now: dt.datetime,
    known: dict[tuple[dt.datetime, str], int] | None = None,
    *,
    among: Sequence[uuid.UUID] | None = None,
) -> Caps:
    """The caps of the UTC day of ``now``, counted from the sends that were claimed and may have left.

    With ``among`` only the senders of these sends are counted, which are all that is judged then, and no recipient domain. Else of
    domains it knows those that got so much that a cap may be reached. Of others ``count_domains`` asks.
    ``known`` keeps what was counted of the days before, which changes no more, between the claims of a process.
    """
    midnight, allowed = _midnight(now), policy().recipient_domain_cap_per_day
    busy: dict[str, int] = {}
    if among is not None:
        asked = list(tx.scalars(_SENDERS_AMONG, {"among": list(among)}))
        counted = tx.execute(_SENDERS_NAMED, {"midnight": midnight, "senders": asked})
    else:
        asked = list(tx.scalars(sa.select(campaigns.c.sender_email).where(campaigns.c.sender_email.is_not(None))))
        counted = tx.execute(_SENDERS, {"midnight": midnight})
        fewest = min(allowed.mail_provider, allowed.own_domain)
        busy = {row.domain: row.n for row in tx.execute(_BUSY_DOMAINS, {"midnight": midnight, "fewest": fewest})}
    senders = {row.sender_email: row.n for row in counted}
    known = {} if known is None else known
    new = sorted({*senders, *asked} - {sender for at, sender in known if at == midnight})
    if new:
        days = policy().warm_up.of_last_days
        found = {
            row.sender_email: row.days
            for row in tx.execute(_DAYS, {"senders": new, "midnight": midnight, "days": days})
        }
        known |= {(midnight, sender): found.get(sender, 0) for sender in new}
    return Caps(policy(), senders, busy, {sender: n for (at, sender), n in known.items() if at == midnight})


def count_domains(
    tx: sa.Connection, day: Caps, now: dt.datetime, providers: Iterable[str], own: Iterable[bytes]
) -> None:
    """Lets ``day`` know how much went to mail providers and to own domains; asked in the transaction that counted the rest."""
    for statement, name, asked in (
        (_PROVIDERS, "providers", sorted(set(providers))),
        (_OWN_DOMAINS, "own", sorted(set(own))),
    ):
        if asked:
            day.know({row.domain: row.n for row in tx.execute(statement, {name: asked, "midnight": _midnight(now)})})


def _midnight(now: dt.datetime) -> dt.datetime:
    return now.astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
