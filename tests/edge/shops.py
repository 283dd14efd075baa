"""A shop in front of the sandbox's Stripe: mailed leads with measured websites, buyers who pay, and Stripe's events in any order."""

from __future__ import annotations

import asyncio
import functools
import uuid
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa

from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.sendgrid import SendGridClient
from leadfactory.d00_gateway.stripe import StripeClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d06_reports import paid_work
from leadfactory.d07_storefront import folding
from leadfactory.d07_storefront.tables import checkout_sessions, money_entries, purchases
from leadfactory.inbox import paying
from leadfactory.tokens import Tokens
from tests.edge.conftest import World
from tests.leads import TUESDAY, FakePagespeed, lighthouse

KEY = {"Authorization": "Bearer sk_test_sandbox"}


class Shop:
    """``world`` and the vendors behind it."""

    def __init__(self, world: World, vendor: httpx.Client) -> None:
        self.world, self.vendor, self.client = world, vendor, world.client
        self.measured_at = TUESDAY

    def letter(self, number: int = 1, **changes: Any) -> uuid.UUID:
        """A letter that was sent to a business with a good audit."""
        send_id, lead = self.world.send(number, **changes)
        unit = self.world.unit
        audit_id = uuid.uuid5(uuid.NAMESPACE_OID, f"audit of {lead.business_id}")
        row = {"campaign": unit.campaign, "cohort_on": unit.day, "audit_id": audit_id, "business_id": lead.business_id, "status": "ok",
               "performance": 32, "seo": 60, "accessibility": 75, "best_practices": 90, "lcp_ms": 6_100, "requested_url": f"https://{lead.host}/",
               "site_host": lead.host, "fetched_at": self.measured_at, "expires_at": TUESDAY.replace(year=2027)}  # fmt: skip
        if changes.get("step", 1) == 1:
            with self.world.db.begin() as tx:
                tx.execute(sa.insert(site_audits).values(row))
        return send_id

    def token(self, purpose: str, of: uuid.UUID) -> str:
        return Tokens(self.world.settings.signing_keys.get_secret_value()).sign(purpose, of)

    def ask(self, send_id: uuid.UUID) -> httpx.Response:
        """The click on "buy"."""
        return self.client.post(
            f"/a/{self.token('landing', send_id)}/checkout", data={"immediate_delivery": "yes"}, follow_redirects=False
        )

    def open(self, send_id: uuid.UUID) -> str:
        """A checkout, opened; its page."""
        answer = self.ask(send_id)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def pay(self, url: str, card: str = "4242424242424242", email: str = "owner@joes.example") -> httpx.Response:
        return self.vendor.post(urlsplit(url).path, data={"email": email, "name": "Joe", "card": card})

    def buy(self, send_id: uuid.UUID, **how: Any) -> str:
        """The whole way; Stripe's session id."""
        url = self.open(send_id)
        assert self.pay(url, **how).status_code == 303
        return url.rsplit("/", 1)[1]

    def session(self, session_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.vendor.get(f"/stripe/v1/checkout/sessions/{session_id}", headers=KEY).json()
        return found

    def refund(self, session_id: str, amount: int | None = None) -> None:
        asked = {"payment_intent": self.session(session_id)["payment_intent"]}
        self.vendor.post(
            "/stripe/v1/refunds", headers=KEY, data=asked | ({} if amount is None else {"amount": str(amount)})
        ).raise_for_status()

    def events(self) -> list[dict[str, Any]]:
        """What Stripe has to tell, the oldest first."""
        found = self.vendor.get("/stripe/v1/events?limit=100", headers=KEY).json()["data"]
        return list(reversed(found))

    def tell(self, events: list[dict[str, Any]] | None = None) -> None:
        """Stripe posts its events, signed, and they are drained."""
        for event in self.events() if events is None else events:
            assert self.world.pay(event).status_code == 200
        self.drain()

    def drain(self) -> folding.Drained:
        return folding.drain(db=self.world.db, clock=self.world.settings.clock, settings=self.world.settings)

    @property
    def purchases(self) -> list[Any]:
        return self.world.all(purchases)

    @property
    def checkouts(self) -> list[Any]:
        return self.world.all(checkout_sessions)

    @property
    def book(self) -> dict[str, int]:
        """Account → cents."""
        m = money_entries
        rows = self.world.rows(sa.select(m.c.account, sa.func.sum(m.c.amount_cents)).group_by(m.c.account))
        return {account: int(cents) for account, cents in rows if cents}

    def work(self) -> dict[str, Any]:
        """The run that follows a drain: refunds, reports, mails."""
        return asyncio.run(self._work())

    async def _work(self) -> dict[str, Any]:
        config = self.world.settings
        gateway = Gateway(self.world.db, clock=config.clock, settings=config)
        async with gateway.running():  # the clients that do not open it themselves: PageSpeed's is none of ours here
            work = functools.partial(
                paid_work.work, db=self.world.db, clock=config.clock, settings=config, stripe=StripeClient(gateway, config),
                mailer=SendGridClient(gateway, config), pagespeed=FakePagespeed(config, lambda url: lighthouse()), website=WebsiteClient(gateway, config),
            )  # fmt: skip
            figures, _ = await paying.serve(work, db=self.world.db, clock=config.clock, settings=config)
        return figures

    def mails(self) -> list[dict[str, Any]]:
        """What the mailer really took."""
        found: list[dict[str, Any]] = self.vendor.get("/_truth/sendgrid", params={"kind": "mail"}).json()
        return found
