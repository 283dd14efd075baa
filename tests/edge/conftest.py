"""The edge over the tests' database, sends that it can name, and a signer of vendors' posts."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import stripe
from starlette.testclient import TestClient

from cli.gaming.load import Key as Signer
from edge.app import create_app
from leadfactory.d09_delivery import suppression
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens
from tests.leads import TUESDAY, UNIT, Leads, Seed
from tests.postgres import settings_for_tests

SECRETS = "whsec_new,whsec_old"


class World(Leads):
    """Leads with sends in any state, and the edge that hears of them."""

    client: TestClient
    signer: Signer
    old_signer: Signer

    def send(self, number: int = 1, *, state: str = "accepted", email: str = "", **changes: Any) -> tuple[uuid.UUID, Seed]:  # fmt: skip
        """A send of a business with that number."""
        step = changes.pop("step", 1)
        lead = Seed(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.unit.key}:{number}"), email, "") if step > 1 else self.business(
            number, email=email, contact_email_url=f"https://shop{number}.example/contact")  # fmt: skip
        address = lead.email or f"info@shop{number}.example"
        send_id = uuid.uuid4()
        values = {
            "campaign": self.unit.campaign, "cohort_on": self.unit.day, "send_id": send_id, "business_id": lead.business_id,
            "step": step, "draft_id": uuid.uuid4(), "address_hmac": self.hashes.address(address),
            "address_plus_hmac": self.hashes.address_plus_stripped(address),
            "domain_hmac": suppression.domain_hmac(self.hashes, address), "sender_email": "ana@mail.leadfactory.example",
            "state": state, "timezone": "America/New_York", "due_at": TUESDAY, "expires_at": TUESDAY + dt.timedelta(days=3),
            "planned_at": TUESDAY, "claimed_at": None if state == "planned" else TUESDAY,
        }  # fmt: skip
        with self.db.begin() as tx:
            suppression.establish_key(tx, self.hashes, TUESDAY)
            tx.execute(sa.insert(email_sends).values(**values | changes))
        return send_id, lead

    def link(self, send_id: uuid.UUID) -> str:
        return "/u/" + Tokens(self.settings.signing_keys.get_secret_value()).sign("unsubscribe", send_id)

    def event(self, kind: str, send_id: uuid.UUID | None, number: int = 0, *, email: str = "info@shop1.example", **more: Any) -> dict[str, Any]:  # fmt: skip
        """One event as SendGrid posts it."""
        named = {} if send_id is None else {"send_id": str(send_id), "campaign_day": self.unit.key}
        return {
            "email": email, "timestamp": int(TUESDAY.timestamp()) + number, "event": kind, "smtp-id": "<a@b.example>",
            "sg_event_id": f"{send_id}-{kind}-{number}", "sg_message_id": "m.recvd-1", **named, **more,
        }  # fmt: skip

    def post(self, events: Any, *, signer: Signer | None = None, at: int | None = None) -> Any:
        body = events if isinstance(events, bytes) else json.dumps(events).encode() + b"\r\n"
        return self.client.post("/webhooks/sendgrid", content=body, headers=(signer or self.signer).headers(body, at))

    def pay(self, event: Any, secret: str = "whsec_new", at: int | None = None) -> Any:
        body = json.dumps(event)
        header = stripe.WebhookSignature.generate_signature_header(body, secret, at)
        return self.client.post("/webhooks/stripe", content=body.encode(), headers={"stripe-signature": header})

    def all(self, table: sa.Table) -> list[Any]:
        return self.rows(sa.select(table))


@pytest.fixture(scope="session")
def signers() -> tuple[Signer, Signer]:
    return Signer(), Signer()


@pytest.fixture
def config(tmp_path: Path, signers: tuple[Signer, Signer]) -> Settings:
    keys = ",".join(each.public for each in signers)
    return settings_for_tests(
        tmp_path,
        LEADFACTORY_CLOCK=TUESDAY.isoformat(),
        SENDGRID_WEBHOOK_PUBLIC_KEY=keys,
        SENDGRID_INBOUND_PUBLIC_KEY=keys,
        STRIPE_WEBHOOK_SECRET=SECRETS,
    )


@pytest.fixture
def world(database: Database, config: Settings, signers: tuple[Signer, Signer]) -> Iterator[World]:
    made = World(database, config, UNIT)
    made.campaign()
    made.signer, made.old_signer = signers
    with TestClient(create_app(config, db=database)) as client:
        made.client = client
        yield made
