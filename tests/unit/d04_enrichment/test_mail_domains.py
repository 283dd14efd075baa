"""Whether a domain takes mail, asked of a real name server."""

from __future__ import annotations

import asyncio

import dns.rcode
import pytest

from leadfactory.d04_enrichment.mail_domains import Checked, MailDomains
from leadfactory.d04_enrichment.policy import policy

RULES = policy().mail_check.model_copy(update={"timeout_s": 0.2, "attempts": 2})


@pytest.fixture
def check(names):
    def ask(email: str = "info@joes.example") -> Checked:
        return asyncio.run(MailDomains(names.address, RULES).check(email))

    return ask


def test_a_mail_server_with_an_address_is_accepted(check):
    assert check() == Checked("accepted", "mx")


def test_an_address_of_ipv6_alone_is_one(check, names):
    names.said = {("mx.joes.example", "A"): [], ("mx.joes.example", "AAAA"): ["2606:4700::1"]}
    assert check() == Checked("accepted", "mx")


def test_no_mail_server_but_an_address_is_weak(check, names):
    names.said = {("joes.example", "MX"): []}
    assert check() == Checked("weak", "no_mx_but_address")


def test_a_null_mx_takes_no_mail(check, names):
    names.said = {("joes.example", "MX"): ["0 ."]}
    assert check() == Checked("refused", "null_mx")


def test_neither_a_mail_server_nor_an_address_takes_no_mail(check, names):
    names.said = {("joes.example", "MX"): [], ("joes.example", "A"): []}
    assert check() == Checked("refused", "no_mail_server")


def test_mail_servers_without_an_address_take_no_mail(check, names):
    names.said = {("joes.example", "MX"): ["10 a.joes.example.", "20 b.joes.example."]}
    names.codes = {"a.joes.example": dns.rcode.NXDOMAIN, "b.joes.example": dns.rcode.NXDOMAIN}
    assert check() == Checked("refused", "mx_without_address")


def test_the_second_mail_server_is_enough(check, names):
    names.said = {("joes.example", "MX"): ["10 a.joes.example.", "20 b.joes.example."]}
    names.codes = {"a.joes.example": dns.rcode.NXDOMAIN}
    assert check() == Checked("accepted", "mx")


def test_a_domain_that_does_not_exist_is_refused(check, names):
    names.codes = {"joes.example": dns.rcode.NXDOMAIN}
    assert check() == Checked("refused", "no_such_domain")


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_name_server_that_cannot_say_is_never_held_against_the_domain(check, names, code):
    names.codes = {"joes.example": code}
    assert check() == Checked("unknown", "resolver_silent")


def test_a_silent_name_server_is_never_held_against_the_domain(check, names):
    names.silent = True
    assert check() == Checked("unknown", "resolver_silent")


def test_a_name_that_cannot_be_asked_for_does_not_exist(check):
    assert check("info@" + "a" * 70 + ".example") == Checked("refused", "no_such_domain")


def test_a_domain_is_asked_for_once(names):
    async def many() -> list[Checked]:
        mail = MailDomains(names.address, RULES)
        return await asyncio.gather(*(mail.check(f"{n}@joes.example") for n in range(20)))

    assert set(asyncio.run(many())) == {Checked("accepted", "mx")}
    assert names.asked == [("joes.example", "MX"), ("mx.joes.example", "A")]
