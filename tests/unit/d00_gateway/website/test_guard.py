"""The judge: which URLs and addresses our fetcher may touch."""

from __future__ import annotations

import httpx
import pytest

from leadfactory.d00_gateway.errors import VendorRejected
from leadfactory.d00_gateway.website import guard
from tests.unit.d00_gateway.website.asking import HERE


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "ftp://joes.example/", "gopher://joes.example/", "javascript:alert(1)", "data:text/html,x",
        "http://user@joes.example/", "http://user:pass@joes.example/", "http://joes.example:8080/", "https://joes.example:80/",
        "http://joes.example:22/", "http://127.0.0.1/", "http://127.0.0.1./", "http://2130706433/", "http://0x7f000001/",
        "http://0x7f.0.0.1/", "http://0x7f.1/", "http://127.1/", "http://[::1]/", "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/", "http://[64:ff9b::7f00:1]/", "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/",
        "http://8.8.8.8/", "http://localhost/", "http://localhost.localdomain/", "http://metadata.google.internal/",
        "http://printer.local/", "http://db/", "http://x.home.arpa/", "http://a.onion/", "http://ex%20ample.com/", "http://a..b/",
        "http://-a.example/", "http:///path", "http://joes.example\\@10.0.0.1/",
    ],
)  # fmt: skip
def test_a_url_that_is_no_public_web_address_is_blocked(url):
    with pytest.raises(VendorRejected) as caught:
        guard.judge_url(httpx.URL(url))
    assert caught.value.reason == "blocked_address"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://joes.example/", "joes.example"), ("https://JOES.Example.:443/x?y#z", "joes.example"),
        ("http://münchen.example", "xn--mnchen-3ya.example"), ("http://1.2.3.4.nip.example/", "1.2.3.4.nip.example"),
        ("http://7eleven.example:80", "7eleven.example"), ("http://my_shop.example/", "my_shop.example"),
    ],
)  # fmt: skip
def test_a_public_name_is_let_through_as_dns_knows_it(url, host):
    assert guard.judge_url(httpx.URL(url)) == host


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
        "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::",
        "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:a00:1::", "2001:db8::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_on_the_open_internet_is_blocked(address):
    with pytest.raises(VendorRejected, match="blocked_address"):
        guard.judge_addresses("joes.example", [address], allow_sandbox=False)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_is_let_through(address):
    assert guard.judge_addresses("joes.example", [address], allow_sandbox=False) == [address]


def test_one_private_address_among_public_ones_blocks_the_name():
    with pytest.raises(VendorRejected, match="blocked_address"):
        guard.judge_addresses("joes.example", ["8.8.8.8", "10.0.0.1"], allow_sandbox=False)


def test_the_sandboxes_range_is_public_only_where_it_is_allowed():
    assert guard.judge_addresses("joes.example", [HERE], allow_sandbox=True) == [HERE]
