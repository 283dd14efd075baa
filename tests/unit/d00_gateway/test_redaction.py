"""Keys and e-mail addresses stay out of logs and errors."""

from __future__ import annotations

import logging

import pytest

from leadfactory.d00_gateway.errors import VendorError
from leadfactory.d00_gateway.redaction import redact
from leadfactory.d00_gateway.transport import CallSpec


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://x.test/run?url=a&key=AIzaSyD1234567890abc&x=1", "GET https://x.test/run?url=a&key=[key]&x=1"),
        ("Authorization: Bearer abc.def-123", "Authorization: [key] [key]"),
        ("Incorrect API key provided: sk-proj-AbCd1234", "Incorrect API key provided: [key]"),
        ("key sk_test_abcdef rejected", "key [key] rejected"),
        ("SG.abcdefgh.ijklmnop", "[key]"),
        ("to joe.o+x@example.co.uk failed", "to [address] failed"),
        ("email=joe%40example.com", "email=[address]"),
        ("jörg@müller.de bounced", "[address] bounced"),
        ("nothing to hide at 12:30 @ home", "nothing to hide at 12:30 @ home"),
    ],
)
def test_redacted(text, expected):
    assert redact(text) == expected


@pytest.mark.parametrize("name", ["httpx", "openai._base_client", "stripe"])
def test_libraries_cannot_log_a_key(gateway_of, caplog, name):
    gateway_of()
    with caplog.at_level(logging.DEBUG, logger=name):
        logging.getLogger(name).info("HTTP Request: GET %s", "https://x.test/?key=secret-value&to=joe@example.com")
    assert "secret-value" not in caplog.text
    assert "joe@" not in caplog.text


async def test_a_vendors_message_is_redacted_in_errors(gateway_of, vendor):
    vendor.answers = [
        (400, {}, {"error": {"code": "X", "message": "joe@example.com is wrong for key sk-live-12345678"}})
    ]
    gateway = gateway_of()
    async with gateway.running():
        with gateway.calling(CallSpec("x")), pytest.raises(VendorError) as caught:
            await gateway.http("yelp").get(vendor.base_url, params={"key": "secret-value"})
    assert "joe@" not in str(caught.value)
    assert "sk-live" not in str(caught.value)
