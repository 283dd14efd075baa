"""The sandbox's DNS: stable public test addresses, names that do not exist, and the trap that leads inside."""

from __future__ import annotations

import ipaddress
import socket

import dns.rcode
import pytest

TEST_NET = ipaddress.ip_network("198.51.100.0/24")


def addresses(answer):
    return [ipaddress.ip_address(record.address) for found in answer.answer for record in found]


def test_a_living_site_has_an_address_in_the_test_net(resolve, site_like):
    (address,) = addresses(resolve(site_like().host))
    assert address in TEST_NET


def test_the_address_is_always_the_same(resolve, site_like):
    host = site_like().host
    assert addresses(resolve(host)) == addresses(resolve(host))


def test_www_leads_to_the_same_address(resolve, site_like):
    host = site_like().host
    assert addresses(resolve("www." + host)) == addresses(resolve(host))


def test_a_dead_domain_does_not_exist(resolve, site_like):
    assert resolve(site_like(behaviour="dead_domain").host).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.parametrize("name", ["nobody.example", "google.com", "localhost", "."])
def test_an_unknown_name_does_not_exist(resolve, name):
    assert resolve(name).rcode() == dns.rcode.NXDOMAIN


def test_a_hostile_name_leads_to_an_address_that_is_not_public(resolve, site_like):
    (address,) = addresses(resolve(site_like(behaviour="private_address").host))
    assert not address.is_global


def test_a_question_for_ipv6_is_answered_with_nothing(resolve, site_like):
    answer = resolve(site_like().host, "AAAA")
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_garbage_does_not_stop_the_server(running, resolve, site_like):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for garbage in (b"", b"\x00", b"\xff" * 40):
            sender.sendto(garbage, ("127.0.0.1", running.port))
    assert addresses(resolve(site_like().host))


def exchangers(answer):
    return [record.to_text() for found in answer.answer for record in found]


def test_most_sites_domains_name_a_mail_server_that_has_an_address(resolve, world):
    hosts = {each.host for each in world.within("10001", "restaurant") if each.host and not each.chain}
    living = sorted(host for host in hosts if world.site(host).behaviour not in {"dead_domain", "private_address"})
    told = {host: exchangers(resolve(host, "MX")) for host in living}
    with_mail = {host: found for host, found in told.items() if found not in ([], ["0 ."])}
    assert 0.8 < len(with_mail) / len(told) < 1
    assert [] in told.values()
    assert ["0 ."] in told.values()
    host, (server,) = next(iter(with_mail.items()))
    assert server == f"10 mail.{host}."
    assert addresses(resolve(f"mail.{host}"))


def test_a_dead_domain_has_no_mail_server(resolve, site_like):
    assert resolve(site_like(behaviour="dead_domain").host, "MX").rcode() == dns.rcode.NXDOMAIN


def test_a_mailbox_provider_has_a_mail_server_and_no_site(resolve):
    assert exchangers(resolve("gmail.com", "MX")) == ["10 mx.gmail.com."]
    assert addresses(resolve("mx.gmail.com"))
    assert addresses(resolve("gmail.com")) == []


def test_questions_about_mail_can_be_made_to_fail(resolve, site_like, api):
    host = site_like().host
    api.post("/_admin/options", json={"dns_servfail": True}).raise_for_status()
    try:
        assert resolve(host, "MX").rcode() == dns.rcode.SERVFAIL
        assert addresses(resolve(host))
    finally:
        api.post("/_admin/options", json={"dns_servfail": False}).raise_for_status()
