"""CAN-SPAM and RFC 8058 in the very bytes that the mailer accepted: nothing is looked at before the vendor has it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from edge.app import create_app
from leadfactory import seller
from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.sendgrid import SendGridClient
from leadfactory.d09_delivery.sending import send_due
from leadfactory.d09_delivery.tables import suppressions
from sandbox import process
from tests.leads import TUESDAY, UNIT
from tests.postgres import settings_for_tests
from tests.unit.d09_delivery.conftest import Mailroom

KEY = {"Authorization": "Bearer SG.sandbox-sendgrid-key"}
HOSTILE = "<script>alert(1)</script> & Sons"


@pytest.fixture(scope="module")
def vendor() -> Iterator[httpx.Client]:
    with process.start(clock=TUESDAY.isoformat()) as found, httpx.Client(base_url=found.base_url, timeout=20) as client:
        yield client


@pytest.fixture
def accepted(database, vendor, tmp_path):
    """The letters of three leads as the sandbox accepted them, and the room that sent them."""
    config = settings_for_tests(
        tmp_path, LEADFACTORY_SANDBOX_URL=str(vendor.base_url).rstrip("/"), LEADFACTORY_CLOCK=TUESDAY.isoformat()
    )
    had = len(vendor.get("/_truth/sendgrid", params={"kind": "mail"}).json())
    room = Mailroom(database, config, UNIT)
    room.campaign()
    room.drafted(3, own_name=HOSTILE)
    clock = Clock(TUESDAY)
    mailer = SendGridClient(Gateway(database, clock=clock, settings=config), config)
    asyncio.run(send_due(UNIT, db=database, clock=clock, settings=config, mailer=mailer, dry_run=False))
    return room, vendor.get("/_truth/sendgrid", params={"kind": "mail"}).raise_for_status().json()[had:]


def parts(entry):
    content = entry["content"]
    return content["text/plain"], content["text/html"]


def test_every_letter_names_the_seller_his_street_address_and_why_it_came(accepted):
    _, letters = accepted
    assert letters
    for entry in letters:
        for part in parts(entry):
            words = " ".join(re.sub(r"<[^>]+>", " ", part).split())
            assert "500 Example Plaza" in words
            assert seller.current().brand in words
            assert re.search(r"unsubscribe|stop", words, re.IGNORECASE)


def test_every_letter_has_the_one_click_headers_and_its_link_works_by_post_alone(accepted, database):
    room, letters = accepted
    with TestClient(create_app(room.settings, db=database)) as edge:
        for entry in letters:
            headers = {name.lower(): value for name, value in entry["headers"].items()}
            assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
            link = re.search(r"<(https?://[^>]+/u/[^>]+)>", headers["list-unsubscribe"])
            assert link
            path = httpx.URL(link[1]).path
            before = len(room.rows(sa.select(suppressions)))
            assert edge.get(path).status_code == 200
            assert len(room.rows(sa.select(suppressions))) == before
            assert edge.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
            assert len(room.rows(sa.select(suppressions))) > before


def test_the_way_out_is_in_the_letter_itself_too(accepted):
    room, letters = accepted
    for entry in letters:
        text, html = parts(entry)
        for part in (text, html):
            assert f"{room.settings.public_url}/" in part
            assert re.search(rf"{re.escape(room.settings.public_url)}/(?:u|preferences)/[A-Za-z0-9_-]{{46}}", part)


def test_the_sender_is_true_and_the_subject_is_about_the_letter(accepted):
    _, letters = accepted
    for entry in letters:
        assert "ana@mail.leadfactory.example" in entry["sender"]
        subject = entry["subject"]
        assert not re.match(r"(?:re|fwd?)\s*:", subject, re.IGNORECASE)
        assert subject.strip()


def test_a_name_full_of_markup_stays_text_in_the_html_and_in_no_header(accepted):
    _, letters = accepted
    for entry in letters:
        _, html = parts(entry)
        assert "<script" not in html
        assert "<script" not in str(entry["headers"])
        assert not re.search(r"\son\w+\s*=|javascript:|<iframe|<form", html, re.IGNORECASE)
