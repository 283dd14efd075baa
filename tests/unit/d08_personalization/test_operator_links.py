"""Operators' links: they end after twelve hours, name their holder, and cannot be made or changed without a key."""

from __future__ import annotations

import base64
import datetime as dt
import uuid

import pytest

from leadfactory.operator_links import OperatorLinkError, OperatorLinks
from leadfactory.tokens import Tokens

NOW = dt.datetime(2026, 10, 6, 15, tzinfo=dt.UTC)
LINKS = OperatorLinks("key")


def test_a_link_names_its_holder_for_twelve_hours_and_no_second_longer():
    token = LINKS.sign(" Ana Ruiz ", NOW)
    assert LINKS.read(token, NOW + dt.timedelta(hours=12, seconds=-1)).name == "Ana Ruiz"
    with pytest.raises(OperatorLinkError, match="ended at 2026-10-07 03:00 UTC"):
        LINKS.read(token, NOW + dt.timedelta(hours=12))


def test_every_listed_key_verifies_and_no_other_does():
    assert OperatorLinks("new, key").read(LINKS.sign("ana", NOW), NOW).name == "ana"
    with pytest.raises(OperatorLinkError, match="signature"):
        OperatorLinks("other").read(LINKS.sign("ana", NOW), NOW)


@pytest.mark.parametrize("position", range(0, 24, 3))
def test_a_changed_byte_breaks_it(position):
    raw = bytearray(base64.urlsafe_b64decode(LINKS.sign("ana", NOW) + "=="))
    raw[position % len(raw)] ^= 1
    with pytest.raises(OperatorLinkError):
        LINKS.read(base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), NOW)


@pytest.mark.parametrize("garbage", ["", "a", "ä" * 46, "!" * 46, "A" * 500])
def test_garbage_is_refused(garbage):
    with pytest.raises(OperatorLinkError):
        LINKS.read(garbage, NOW)


def test_a_recipients_token_opens_no_desk():
    with pytest.raises(OperatorLinkError):
        LINKS.read(Tokens("key").sign("landing", uuid.uuid4()), NOW)


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "ana\nruiz"])
def test_a_name_that_is_none_is_named(name):
    with pytest.raises(ValueError, match="say who reviews"):
        LINKS.sign(name, NOW)


def test_a_form_proves_only_the_token_that_it_was_shown_to():
    one, other = LINKS.sign("ana", NOW), LINKS.sign("ben", NOW)
    assert LINKS.proves(one, LINKS.form_proof(one))
    assert OperatorLinks("new,key").proves(one, LINKS.form_proof(one))
    assert not LINKS.proves(other, LINKS.form_proof(one))
    assert not LINKS.proves(one, "ä")
