"""The website client against hostile names, addresses and servers: what it refuses, and that nothing slips past the judge."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gzip
import zlib

import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset
import httpx
import pytest

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.website import guard
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.website.pinned import SiteLimits
from leadfactory.d00_gateway.website.reading import looks_like_html, text_of
from leadfactory.d00_gateway.website.resolver import resolve
from leadfactory.settings import Settings

HTML = {"content-type": "text/html; charset=utf-8"}
HERE = "198.51.100.7"  # a sandbox address: connections go to the test's server


# ── the judge ──────────────────────────────────────────────────────────────────────────────────────
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


# ── names and servers of these tests ───────────────────────────────────────────────────────────────
@dataclasses.dataclass
class Names(asyncio.DatagramProtocol):
    """A DNS server: each name's answers in order, the last one for ever. An unknown name does not exist."""

    answers: dict[str, list[list[str]]] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    address: str = ""

    def connection_made(self, transport):
        self.transport = transport
        self.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"

    def datagram_received(self, data, addr):
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(name)
        answer = dns.message.make_response(query)
        if name not in self.answers:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        else:
            left = self.answers[name]
            found = left.pop(0) if len(left) > 1 else left[0]
            if found == ["servfail"]:
                answer.set_rcode(dns.rcode.SERVFAIL)
            elif found:
                answer.answer.append(dns.rrset.from_text_list(query.question[0].name, 0, "IN", "A", found))
        self.transport.sendto(answer.to_wire(), addr)


@pytest.fixture
async def names():
    transport, found = await asyncio.get_running_loop().create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    found.answers["joes.example"] = [[HERE]]
    yield found
    transport.close()


@pytest.fixture
def pages(vendor):
    """What the test's server says by path; robots.txt is absent until a test writes one."""
    found = {"/robots.txt": (404, {}, b"")}

    def answer(request):
        path = request.split(b" ", 2)[1].decode()
        return found.get(path, (404, HTML, b"nothing here"))

    vendor.answers = [answer]
    return found


@pytest.fixture
def site(gateway_of, names, vendor, pages):
    """Makes a client whose names and connections end in this test."""

    def make(limits=None, env="test"):
        settings = Settings(
            env="test", website_resolver=names.address, website_gateway=vendor.base_url.removeprefix("http://"),
            public_url="https://lf.example",
        )  # fmt: skip
        settings = settings.model_copy(update={"env": env})
        gateway = gateway_of("website", json_answers=False, caches=False, timeout_s=20)
        return WebsiteClient(gateway, settings, limits)

    return make


async def fetch(client, url="http://joes.example/"):
    async with client.gateway.running():
        return await client.fetch(url)


async def refused(client, url="http://joes.example/"):
    with pytest.raises(VendorError) as caught:
        await fetch(client, url)
    return caught.value.reason


# ── names ──────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("address", ["10.0.0.5", "127.0.0.1", "169.254.169.254"])
async def test_a_name_that_resolves_inside_is_blocked_before_a_connection(site, names, vendor, address, ledger_of):
    names.answers["joes.example"] = [[HERE, address]]
    assert await refused(site()) == "blocked_address"
    assert vendor.requests == []
    assert [(row.status, row.reason) for row in ledger_of()] == [("rejected", "blocked_address")]


async def test_production_blocks_the_sandboxes_addresses(site, vendor):
    assert await refused(site(env="production")) == "blocked_address"
    assert vendor.requests == []


async def test_a_connection_goes_to_the_address_that_was_judged_though_the_name_changes(site, names, pages):
    names.answers["joes.example"] = [[HERE], ["127.0.0.1"]]  # the second look-up would lead inside
    pages["/"] = (200, HTML, b"<html>public</html>")
    assert (await fetch(site())).html == "<html>public</html>"
    assert names.asked == ["joes.example"]


async def test_a_name_that_turns_private_between_connections_is_judged_again(site, names, pages):
    names.answers["joes.example"] = [[HERE], ["127.0.0.1"]]
    pages["/"] = (200, HTML, b"<html></html>")
    client = site()
    await fetch(client)
    assert await refused(client) == "blocked_address"


@pytest.mark.parametrize(
    ("answers", "reason"), [(None, "dns_failure"), ([[]], "dns_failure"), ([["servfail"]], "dns_unavailable")]
)
async def test_a_dead_name_is_not_a_dns_server_that_does_not_answer(site, names, answers, reason):
    del names.answers["joes.example"]
    if answers is not None:
        names.answers["joes.example"] = answers
    assert await refused(site()) == reason


@pytest.mark.parametrize("server", ["", "127.0.0.1:9"])
async def test_a_label_that_is_too_long_is_a_name_that_does_not_exist(server):
    with pytest.raises(VendorRejected, match="dns_failure"):
        await resolve("a" * 64 + ".example", server)


async def test_the_systems_resolver_gives_every_address():
    assert "127.0.0.1" in await resolve("localhost", "")


# ── redirects ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://127.0.0.1/admin", "blocked_address"), ("http://169.254.169.254/latest", "blocked_address"),
        ("http://inside.example/", "blocked_address"), ("//[::1]/", "blocked_address"), ("file:///etc/passwd", "blocked_address"),
        ("http://joes.example:6379/", "blocked_address"), ("http://a:b@joes.example/", "blocked_address"),
        ("http://gone.example/", "dns_failure"), ("http://[::1", "invalid_url"), ("/", "too_many_redirects"), ("", "http_error"),
    ],
)  # fmt: skip
async def test_each_redirect_is_judged_anew(site, names, pages, location, reason):
    names.answers["inside.example"] = [["10.0.0.1"]]
    pages["/"] = (302, {"location": location}, b"")
    assert await refused(site()) == reason


async def test_redirects_that_lead_somewhere_are_listed_in_order(site, names, pages):
    names.answers["www.joes.example"] = [[HERE]]
    pages["/"] = (301, {"location": "http://www.joes.example/de"}, b"")
    pages["/de"] = (302, {"location": "start?x=1#top"}, b"")
    pages["/start?x=1"] = (200, HTML, b"<html></html>")
    page = await fetch(site())
    assert page.redirects == ("http://joes.example/", "http://www.joes.example/de")
    assert (page.requested_url, page.final_url) == ("http://joes.example/", "http://www.joes.example/start?x=1")


async def test_six_redirects_are_too_many_and_the_sixth_target_is_not_asked(site, vendor, pages):
    for hop in range(8):
        pages[f"/{hop}"] = (302, {"location": f"/{hop + 1}"}, b"")
    assert await refused(site(), "http://joes.example/0") == "too_many_redirects"
    assert not any(b"GET /6 " in request for request in vendor.requests)


# ── size, time, form ───────────────────────────────────────────────────────────────────────────────
async def test_a_page_of_the_most_bytes_is_read_and_one_more_is_too_large(site, pages):
    client = site(SiteLimits(body_bytes=1000))
    pages["/"] = (200, HTML, b"x" * 1000)
    assert (await fetch(client)).byte_count == 1000
    pages["/"] = (200, HTML, b"x" * 1001)
    assert await refused(client) == "too_large"


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_decompression_bomb_is_too_large_by_its_decoded_bytes(site, pages, coding, pack):
    bomb = pack(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    pages["/"] = (200, {**HTML, "content-encoding": coding}, bomb)
    assert await refused(site()) == "too_large"


@pytest.mark.parametrize(
    ("coding", "raw"),
    [
        ("gzip", gzip.compress(b"<html>x</html>")), ("deflate", zlib.compress(b"<html>x</html>")),
        ("deflate", zlib.compress(b"<html>x</html>", wbits=-15)), ("identity", b"<html>x</html>"),
    ],
)  # fmt: skip
async def test_a_compressed_page_is_read(site, pages, coding, raw):
    pages["/"] = (200, {**HTML, "content-encoding": coding}, raw)
    page = await fetch(site())
    assert (page.html, page.compressed) == ("<html>x</html>", coding != "identity")


@pytest.mark.parametrize(("coding", "raw"), [("gzip", b"not gzip"), ("br", b"\x0b"), ("gzip, gzip", b"x")])
async def test_damaged_or_unasked_compression_is_a_malformed_answer(site, pages, coding, raw):
    pages["/"] = (200, {**HTML, "content-encoding": coding}, raw)
    assert await refused(site()) == "malformed_answer"


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("application/pdf", b"%PDF", "not_html"), ("image/png", b"<html>", "not_html"), ("text/plain", b"<html>", "not_html"),
        ("application/x-html-archive", b"<html>", "not_html"),
    ],
)  # fmt: skip
async def test_what_is_no_page_is_not_read_as_one(site, pages, kind, body, reason):
    pages["/"] = (200, {"content-type": kind}, body)
    assert await refused(site()) == reason


@pytest.mark.parametrize(
    ("status", "reason", "kind"),
    [(404, "http_error", VendorRejected), (403, "http_error", VendorRejected), (410, "http_error", VendorRejected),
     (500, "server_error", VendorUnavailable), (503, "server_error", VendorUnavailable), (429, "server_error", VendorUnavailable),
     (304, "http_error", VendorRejected)],
)  # fmt: skip
async def test_a_status_that_is_no_page_has_a_reason(site, pages, status, reason, kind):
    pages["/"] = (status, HTML, b"")
    with pytest.raises(kind) as caught:
        await fetch(site())
    assert caught.value.reason == reason


async def test_a_server_that_says_nothing_is_left_after_the_first_bytes_time(site, vendor):
    vendor.answers = ["hang"]
    assert await refused(site(SiteLimits(first_byte_s=0.05, total_s=1))) == "timeout"


async def test_the_whole_fetch_has_one_time_over_all_its_hops(site, vendor, pages):
    async def slowly():
        await asyncio.sleep(0.08)

    vendor.before = slowly
    for hop in range(5):
        pages[f"/{hop}"] = (302, {"location": f"/{hop + 1}"}, b"")
    assert await refused(site(SiteLimits(total_s=0.2)), "http://joes.example/0") == "timeout"
    assert len(vendor.requests) <= 5  # and not the robots.txt and six pages that were there


async def test_a_dropped_connection_is_tried_again_later(site, vendor):
    vendor.answers = ["reset"]
    assert await refused(site()) == "connection_lost"


async def test_a_port_where_nobody_listens_is_refused(gateway_of, names):
    settings = Settings(env="test", website_resolver=names.address, website_gateway="127.0.0.1:9")
    client = WebsiteClient(gateway_of("website", json_answers=False, caches=False), settings)
    assert await refused(client) == "refused"


@pytest.mark.parametrize("url", ["http://[::1", "http://\x00", "http://joes.example:abc/"])
async def test_what_is_no_url_is_told_so(site, url):
    assert await refused(site(), url) == "invalid_url"


async def test_a_url_without_a_scheme_is_taken_as_http(site, pages):
    pages["/menu"] = (200, HTML, b"<html></html>")
    page = await fetch(site(), "joes.example/menu")
    assert (page.final_url, page.https) == ("http://joes.example/menu", False)


# ── manners ────────────────────────────────────────────────────────────────────────────────────────
async def test_the_fetcher_says_who_it_is_and_keeps_the_hosts_name(site, vendor, pages):
    pages["/"] = (200, HTML, b"<html></html>")
    await fetch(site())
    for request in vendor.requests:
        assert b"user-agent: LeadFactoryBot/0.1 (+https://lf.example/bot)" in request.lower().replace(
            b"leadfactorybot", b"LeadFactoryBot"
        )
        assert b"\r\nhost: joes.example\r\n" in request.lower()


@pytest.mark.parametrize(
    ("robots", "allowed"),
    [
        ((200, {"content-type": "text/plain"}, b"User-agent: *\nDisallow: /"), False),
        ((200, {"content-type": "text/plain"}, b"User-agent: LeadFactoryBot\nDisallow: /"), False),
        ((200, {"content-type": "text/plain"}, b"\xef\xbb\xbfUser-agent: *\nDisallow: /"), False),
        ((200, {"content-type": "text/plain"}, b"User-agent: Other\nDisallow: /"), True),
        ((200, {"content-type": "text/plain"}, b"\xff\xfe\x00 no rules"), True),
        ((200, HTML, b"<html>User-agent: *\nDisallow: /</html>"), True),
        ((404, {}, b""), True),
        ((403, {}, b""), True),
        ((302, {"location": "http://[::1"}, b""), True),
    ],
)
async def test_robots_txt_is_honoured(site, vendor, pages, robots, allowed):
    pages["/robots.txt"], pages["/"] = robots, (200, HTML, b"<html></html>")
    if allowed:
        assert (await fetch(site())).status == 200
    else:
        assert await refused(site()) == "robots"
        assert not any(b"GET / " in request for request in vendor.requests)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_robots_txt_that_cannot_be_read_forbids_for_now(site, vendor, pages, status):
    pages["/robots.txt"] = (status, {}, b"")
    assert await refused(site()) == "robots_unreachable"
    assert len(vendor.requests) == 1


async def test_robots_txt_behind_a_redirect_counts(site, pages):
    pages["/robots.txt"] = (301, {"location": "/rules"}, b"")
    pages["/rules"] = (200, {"content-type": "text/plain"}, b"User-agent: *\nDisallow: /")
    assert await refused(site()) == "robots"


async def test_a_redirect_of_robots_txt_to_the_inside_is_blocked(site, pages):
    pages["/robots.txt"] = (301, {"location": "http://169.254.169.254/robots.txt"}, b"")
    assert await refused(site()) == "blocked_address"


async def test_a_huge_robots_txt_is_cut_and_its_beginning_counts(site, pages):
    rules = b"User-agent: *\nDisallow: /\n" + b"# x\n" * 1_000_000
    pages["/robots.txt"] = (200, {"content-type": "text/plain"}, rules)
    assert await refused(site()) == "robots"


async def test_robots_txt_is_read_once_a_host_and_both_calls_are_in_the_ledger(site, vendor, pages, ledger_of):
    pages["/"] = pages["/menu"] = (200, HTML, b"<html></html>")
    client = site()
    async with client.gateway.running():
        await client.fetch("http://joes.example/")
        await client.fetch("http://joes.example/menu")
    assert [row.endpoint for row in ledger_of()] == ["robots", "page", "page"]
    assert {row.vendor for row in ledger_of()} == {"website"}


async def test_robots_txt_is_read_again_when_its_time_is_over(site, vendor, pages):
    pages["/"] = (200, HTML, b"<html></html>")
    client = site(SiteLimits(robots_s=0))
    async with client.gateway.running():
        await client.fetch("http://joes.example/")
        await client.fetch("http://joes.example/")
    assert sum(b"/robots.txt" in request for request in vendor.requests) == 2


async def test_a_host_is_asked_one_thing_at_a_time_and_others_meanwhile(site, names, vendor, pages):
    names.answers["anns.example"] = [[HERE]]
    for path in "abc":
        pages[f"/{path}"] = (200, HTML, b"<html></html>")
    busy: dict[str, int] = {"now": 0, "most": 0}
    both = asyncio.Event()

    async def counting():
        busy["now"] += 1
        busy["most"] = max(busy["most"], busy["now"])
        if busy["now"] == 2:
            both.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(both.wait(), 0.2)
        busy["now"] -= 1

    vendor.before = counting
    client = site()
    async with client.gateway.running():
        await asyncio.gather(*(client.fetch(f"http://joes.example/{path}") for path in "abc"))
        assert busy["most"] == 1
        await asyncio.gather(client.fetch("http://joes.example/a"), client.fetch("http://anns.example/a"))
    assert busy["most"] == 2


# ── text ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ("Zoë".encode(), "text/html; charset=utf-8", "Zoë"),
        ("Zoë".encode(), "text/html", "Zoë"),
        ("Zoë".encode("cp1252"), "text/html", "Zoë"),
        ("Zoë – “x”".encode("cp1252"), "text/html; charset=ISO-8859-1", "Zoë – “x”"),
        (b'<meta charset="windows-1251">' + "Кафе".encode("cp1251"), "text/html", '<meta charset="windows-1251">Кафе'),
        (b"\xef\xbb\xbfx", "text/html; charset=latin-1", "x"),
        ("\ufeffЖ".encode("utf-16-le"), "text/html", "Ж"),
        ("Zoë".encode(), "text/html; charset=nonsense", "Zoë"),
        ("Zoë".encode("cp1252"), "text/html; charset=utf-8", "Zoë"),
        (b"a\x00b", "text/html", "a\ufffdb"),
        (b"xn--\xff", "text/html; charset=idna", "xn--ÿ"),
        (b"\\x41", "text/html; charset=unicode_escape", "\\x41"),
        (b"eJw=", "text/html; charset=base64", "eJw="),
        (b"\x81\x8d", "text/html", "\ufffd\ufffd"),
    ],
)
def test_text_is_read_in_whatever_charset_it_came(content, kind, text):
    assert text_of(content, kind) == text


@pytest.mark.parametrize(
    ("kind", "content", "page"),
    [
        ("text/html", b"", True), ("TEXT/HTML;charset=x", b"", True), ("application/xhtml+xml", b"", True), ("", b"<!DOCTYPE html>", True),
        ("", b"%PDF", False), ("text/htmlx", b"<html>", False),
    ],
)  # fmt: skip
def test_a_page_is_known_by_its_type_or_without_one_by_its_first_bytes(kind, content, page):
    assert looks_like_html(content, kind) is page
