"""SPF, DKIM and DMARC before a provider looks: what is good, what is missing, what is broken; and the same asked of a real DNS server."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from typer.testing import CliRunner

from cli.main import app
from leadfactory.d04_enrichment.mail_domains import MailDomains
from leadfactory.d04_enrichment.policy import policy
from leadfactory.d09_delivery import sender_dns
from leadfactory.d09_delivery.sender_dns import Records
from sandbox import process

DOMAIN = "mail.shop.example"
KEY = "v=DKIM1; k=rsa; p=" + "MIIB" * 98  # as long as a key of 2048 bits
GOOD = {
    DOMAIN: ["v=spf1 include:sendgrid.net -all", "something else"],
    f"s1._domainkey.{DOMAIN}": [KEY],
    f"s2._domainkey.{DOMAIN}": [KEY],
    f"_dmarc.{DOMAIN}": [],
    "_dmarc.shop.example": ["v=DMARC1; p=none; rua=mailto:dmarc@shop.example"],
}


def judged(lookups: int = 1, **changes) -> dict[str, str]:
    names = {
        "spf": DOMAIN,
        "s1": f"s1._domainkey.{DOMAIN}",
        "s2": f"s2._domainkey.{DOMAIN}",
        "dmarc": "_dmarc.shop.example",
    }
    texts = GOOD | {names[name]: texts for name, texts in changes.items()}
    found = sender_dns.judge(DOMAIN, ("s1", "s2"), Records(texts, lookups))
    assert all(each.remedy for each in found if each.state == "broken" and "must have one" not in each.told)
    return {each.name: each.state for each in found}


def test_a_domain_that_has_all_three_is_ready():
    assert judged() == {"SPF": "ok", "DKIM": "ok", "DMARC": "ok"}


@pytest.mark.parametrize(
    ("name", "state", "changes"),
    [
        ("SPF", "broken", {"spf": []}),
        ("SPF", "broken", {"spf": None}),
        ("SPF", "broken", {"spf": ["v=spf1 -all", "v=spf1 ~all"]}),
        ("SPF", "broken", {"spf": ["v=spf1 include:sendgrid.net +all"]}),
        ("SPF", "broken", {"lookups": 11}),
        ("SPF", "ok", {"lookups": 10}),
        ("SPF", "warning", {"spf": ["v=spf1 include:sendgrid.net ?all"]}),
        ("SPF", "ok", {"spf": ["v=spf1 redirect=_spf.shop.example"]}),
        ("DKIM", "broken", {"s1": [], "s2": []}),
        ("DKIM", "broken", {"s1": ["v=DKIM1; p="], "s2": None}),
        ("DKIM", "broken", {"s1": ["v=DKIM1; p=" + "MIIB" * 20], "s2": []}),
        ("DKIM", "warning", {"s2": []}),
        ("DMARC", "broken", {"dmarc": []}),
        ("DMARC", "broken", {"dmarc": None}),
        ("DMARC", "broken", {"dmarc": ["v=DMARC1; p=maybe"]}),
        ("DMARC", "broken", {"dmarc": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}),
        ("DMARC", "warning", {"dmarc": ["v=DMARC1; p=reject"]}),
    ],
)
def test_what_is_missing_or_wrong_is_told(name, state, changes):
    found = judged(**changes)
    assert found.pop(name) == state
    assert set(found.values()) == {"ok"}


@pytest.mark.parametrize("sender", ["", "ana", "ana@localhost", "a b@c d"])
def test_what_has_no_domain_is_refused(sender):
    with pytest.raises(ValueError, match="has no domain"):
        sender_dns.domain_of(sender)


@pytest.fixture(scope="module")
def names():
    with process.start() as found:
        yield found


def address(names) -> str:
    return f"127.0.0.1:{names.port}"


def asked(names, sender: str) -> dict[str, str]:
    server = MailDomains(address(names), policy().mail_check)
    return {each.name: each.state for each in asyncio.run(sender_dns.look(sender, ("s1", "s2"), server))}


def test_a_name_server_is_asked_for_all_of_it(names):
    assert asked(names, "ana@mail.leadfactory.example") == {"SPF": "ok", "DKIM": "ok", "DMARC": "ok"}
    assert set(asked(names, "ana@nobody.example").values()) == {"broken"}


def test_includes_are_followed_and_a_loop_ends(names):
    texts = {
        "many.example": ["v=spf1 include:a.example -all"],
        "a.example": ["v=spf1 include:a.example " + "a:x.example " * 10 + "-all"],
    }
    httpx.post(f"{names.base_url}/_admin/options", json={"dns_txt": texts}).raise_for_status()
    assert asked(names, "many.example")["SPF"] == "broken"


def test_the_command_prints_each_finding_and_fails_when_something_is_missing(names):
    runner = CliRunner()
    good = runner.invoke(
        app, ["doctor", "sender", "ana@mail.leadfactory.example", f"--resolver={address(names)}", "--json"]
    )
    assert (good.exit_code, [each["state"] for each in json.loads(good.stdout)]) == (0, ["ok"] * 3)
    bad = runner.invoke(app, ["doctor", "sender", "nobody.example", f"--resolver={address(names)}"])
    assert bad.exit_code == 1
    assert "v=DMARC1" in bad.stdout
