"""Link tokens: they live for ever, name one purpose, and cannot be made without a key."""

from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.tokens import TokenError, Tokens

SEND = uuid.UUID("5b1f4d7e-9a51-4f6a-8d5f-2c116d3c7a0e")


@given(st.uuids(), st.sampled_from(["report", "unsubscribe"]))
def test_a_token_names_the_send_it_was_made_for(send, purpose):
    tokens = Tokens("key")
    assert tokens.read(purpose, tokens.sign(purpose, send)) == send


def test_the_newest_key_signs_and_every_listed_key_verifies():
    old = Tokens("old").sign("unsubscribe", SEND)
    rotated = Tokens("new, old")
    assert rotated.read("unsubscribe", old) == SEND
    assert rotated.sign("unsubscribe", SEND) == Tokens("new").sign("unsubscribe", SEND) != old


def test_a_key_that_was_never_listed_does_not_verify():
    with pytest.raises(TokenError, match="signature"):
        Tokens("ours").read("report", Tokens("theirs").sign("report", SEND))


def test_a_token_of_one_purpose_is_none_of_another():
    tokens = Tokens("key")
    with pytest.raises(TokenError, match="purpose"):
        tokens.read("unsubscribe", tokens.sign("report", SEND))


@given(st.integers(0, 33), st.integers(1, 255))
def test_a_changed_byte_breaks_it(position, change):
    tokens = Tokens("key")
    raw = bytearray(base64.urlsafe_b64decode(tokens.sign("report", SEND) + "=="))
    raw[position] ^= change
    with pytest.raises(TokenError):
        tokens.read("report", base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="))


@pytest.mark.parametrize("garbage", ["", "a", "ä" * 46, "!" * 46, "A" * 500, "A" * 45])
def test_garbage_is_refused(garbage):
    with pytest.raises(TokenError):
        Tokens("key").read("report", garbage)


def test_it_fits_a_header_on_one_line():
    token = Tokens("key").sign("unsubscribe", SEND)
    assert len(token) == 46
    assert token.isascii()


def test_no_key_is_an_error_that_names_the_variable():
    with pytest.raises(ValueError, match="LEADFACTORY_SIGNING_KEYS"):
        Tokens(" , ")
