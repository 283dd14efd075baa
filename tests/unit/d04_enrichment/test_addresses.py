"""Addresses that a page publishes, however they are hidden; and what only looks like one."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d04_enrichment import scripts
from leadfactory.d04_enrichment.addresses import MOST, cloudflare
from leadfactory.d04_enrichment.contacts import Contact, best, choices
from leadfactory.d04_enrichment.page import read
from leadfactory.keyed_hashes import FREE_MAIL
from tests.examples import examples
from tests.unit.d04_enrichment.conftest import site_page

EMAIL = "info@joes.example"


def found(html: str) -> list[str]:
    return [each.email for each in read(site_page(html)).emails]


def protected(email: str, key: int = 0x5A) -> str:
    return f"{key:02x}" + "".join(f"{byte ^ key:02x}" for byte in email.encode())


@pytest.mark.parametrize(
    "html",
    [
        "info [at] joes [dot] example", "info(at)joes(dot)example", "info {at} joes.example", "info <b>AT</b> joes <b>DOT</b> example",
        "info at joes dot example", "info[@]joes.example", "info&#64;joes&#46;example", "info＠joes.example", "in\u200bfo@jo\u00ades.example",
        "info<span>@</span>joes.example", "info @ joes.example", "info<!-- no -->@joes.example",
        "info<span style='display: none'>-nospam</span>@joes.example",
        "<style>.no, b.hush{display:none}</style>info<b class=hush>null</b>@joes.example",
        "<span style='unicode-bidi:bidi-override; direction: rtl'>elpmaxe.seoj@ofni</span>", "<bdo dir='rtl'>elpmaxe.seoj@ofni</bdo>",
        "<style>span.turn {unicode-bidi: bidi-override; direction: rtl}</style><span class='x turn'>elpmaxe.seoj@ofni</span>",
        f"<a class='__cf_email__' data-cfemail='{protected(EMAIL)}'>[email protected]</a>",
        f"<a href='/cdn-cgi/l/email-protection#{protected(EMAIL, 7)}'>Write</a>",
        "<a data-email='info@joes.example'>Write</a>", "<a data-user='info' data-domain='joes' data-tld='example'>Write</a>",
        "<script>document.write('info' + '@' + 'joes.example');</script>",
        "<script>var u = 'info', d = \"joes.example\"; el.innerHTML = u + '@' + d;</script>",
        "<script>document.write('<a href=\"mai' + 'lto:info' + '&#64;joes.example\">x</a>')</script>",
        "<script>location.href = 'mailto:' + ['info', 'joes.example'].join('@')</script>",
        "<script>el.textContent = 'inf' + String.fromCharCode(111, 64) + 'joes.example'</script>",
        "<script>document.write('<a href=\"mailto:info@joes.example\">Write</a>')</script>",
        '<script type="application/ld+json">{"@type":"Store","contactPoint":[{"email":"mailto:info@joes.example"}]}</script>',
        "<a href='mailto:%69nfo@joes.example,'>x</a>", "<p>\\u003einfo@joes.example</p>".replace("\\", ""),
    ],
)  # fmt: skip
def test_an_address_is_read_however_it_is_hidden(html):
    assert EMAIL in found(f"<p>Write: {html}</p>" if not html.startswith("<") else html)


@pytest.mark.parametrize(
    "html",
    [
        "Meet me at joes.example on Monday.", "We are at dots and lines.", "open at noon. Call", "prices @ the door.example",
        "<script>var owner = 'info' + '@' + 'joes.example';</script>", "<script>var x = 'info@joes.example'; go()</script>",
        "<a data-cfemail='zz'>x</a>", "<a data-cfemail=''>x</a>", f"<a data-cfemail='{protected('no address')}'>x</a>",
        "<img src=a@2x.png>photo@2x.webp", "sprite@3x.min.css", "https://user@joes.example/", "npm i react@18.2.0", "@joes.example",
        "<div style='display:none'>trap@joes.example</div>", "<noscript>old@joes.example</noscript>", "<!-- info@joes.example -->",
        "example@mysite.com", "user@domain.com", "your.name@company.com", "john.doe@joes.example", "name@joes.example", "test@test.com",
        "8c4075d5481d476e945486754f783364@joes.example", "x@sentry.io", "abc@o4504.ingest.sentry.io", "no-reply+12@joes.example",
        "a" * 65 + "@joes.example", "info@" + "a" * 64 + ".example", "info@joes..example", "info@-joes.example", "info@joes.c",
    ],
)  # fmt: skip
def test_what_only_looks_like_an_address_is_left(html):
    assert found(f"<p>{html}</p>") == []


@pytest.mark.parametrize(
    "html",
    [
        "Website by Bob: bob.makes.sites@gmail.com", "<p>Web design <a href='mailto:bob@gmail.com'>Bob</a></p>",
        "Designed by bob [at] gmail [dot] com", "Site by <b>Bob</b> bob@agency.example",
    ],
)  # fmt: skip
def test_the_web_designers_address_is_never_the_businesss(html):
    reading = read(site_page(f"<p>{html}</p>"))
    assert reading.emails
    assert best(reading.emails, {"joes.example"}) is None


@pytest.mark.parametrize(
    ("email", "how", "kind", "group"),
    [
        ("info@joes.example", "text", "role", "own_role"),
        ("info-nyc@mail.joes.example", "text", "role", "own_role"),
        ("joes@joes.example", "text", "role", "own_role"),
        ("maria.lopez@joes.example", "text", "person", "own_person"),
        ("informant@joes.example", "text", "person", "own_person"),
        ("joespizza@gmail.com", "text", "free_mail", "free_mail"),
        ("info@holding.example", "json_ld", "role", "claimed"),
    ],
)
def test_an_address_is_of_one_kind(email, how, kind, group):
    (choice,) = choices([Contact(email, how)], {"www.joes.example"})
    assert (choice.kind, choice.group) == (kind, group)


LOCALS = st.sampled_from(["info", "maria", "hello", "joes.pizza", "office"])
DOMAINS = st.sampled_from(["joes.example", "gmail.com", "agency.example"])
CONTACTS = st.builds(
    lambda local, domain, how, designer: Contact(f"{local}@{domain}", how, designer),
    LOCALS, DOMAINS, st.sampled_from(["mailto", "text", "decoded"]), st.booleans(),
)  # fmt: skip


@given(st.lists(CONTACTS, max_size=8))
def test_what_is_chosen_was_published_and_is_no_strangers(published):
    chosen = best(published, {"joes.example"})
    if chosen is not None:
        assert chosen in published
        domain = chosen.email.rpartition("@")[2]
        assert domain == "joes.example" or (domain in FREE_MAIL and not chosen.designer)
    assert (chosen is None) == (
        not any(
            c.email.endswith("@joes.example") or (c.email.endswith("gmail.com") and not c.designer) for c in published
        )
    )


@given(st.lists(CONTACTS, max_size=6, unique_by=lambda each: each.email), st.randoms())
def test_the_group_of_the_chosen_address_does_not_depend_on_the_pages_order(published, rng):
    shuffled = rng.sample(published, len(published))
    one, other = choices(published, {"joes.example"}), choices(shuffled, {"joes.example"})
    assert [each.group for each in one] == [each.group for each in other]


@given(st.emails())
def test_cloudflares_code_is_read_back(email):
    assert cloudflare(protected(email)) in {email, None if not 6 <= len(email.encode()) <= 259 else email}


@pytest.mark.parametrize("code", ["", "5", "zz", "5a" * 4_000, "é", "00ff", "0" * 15])
def test_what_is_no_code_of_cloudflares_is_none(code):
    assert cloudflare(code) is None or "@" not in str(cloudflare(code))


HOSTILE = [
    "<script>document.write(" + "'a'+" * 20_000 + "'@')</script>",
    "<script>document.write('" + "\\" * 40_000 + "')</script>",
    "<script>" + "mailto:" + "a=" * 30_000 + "</script>",
    "<style>" + ".a{" * 30_000 + "</style><p>x</p>",
    "<p>" + "a at " * 30_000 + "dot b</p>",
    "<p>" + "a[at]" * 30_000 + "</p>",
    "<p>" + "a @ " * 30_000 + "</p>",
    "<p>" + "(" * 60_000 + "at" + ")" * 60_000 + "</p>",
    "<a data-cfemail='" + "5a" * 100_000 + "'>x</a>",
    "<a href='mailto:" + "a@b.example," * 30_000 + "'>x</a>",
    '<script type="application/ld+json">'
    + json.dumps({"@type": "Store", "contactPoint": [{"contactPoint": [{"email": [[["x"]]]}]}] * 5_000})
    + "</script>",
    '<script type="application/ld+json">{"@type":"Store","x":"' + "y" * 5_000_000 + '"}</script>',
    "<span style='direction:rtl'>" * 3_000 + "elpmaxe.seoj@ofni",
    "<div style='display:none'><div style='display:none'>" * 500 + "x@y.example",
    "<bdo>\x00\ufffd\u202e</bdo>",
]


@pytest.mark.parametrize("html", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_page_takes_little_time_and_gives_few_addresses(html):
    began = time.process_time()
    assert len(found(html)) <= MOST
    assert time.process_time() - began < 5


_TOKENS = st.sampled_from(
    [
        "'",
        '"',
        "+",
        "=",
        "var a",
        "[",
        "]",
        ".join(",
        ")",
        "String.fromCharCode(",
        "64",
        ",",
        "@",
        "mailto:",
        "\\",
        "x",
        ";",
        "document.write(",
    ]
)


@given(st.lists(_TOKENS | st.text(max_size=4), max_size=60).map(" ".join))
@examples(150)
def test_no_script_breaks_its_reader(script):
    assert all(isinstance(each, str) for each in scripts.written(script))


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ("<html lang=es-MX><body>Hola</body>", "es"),
        ("<html lang=en><body>" + "我们提供最好的牙科服务欢迎光临请致电预约时间周一至周五营业" * 2 + "</body>", "zh"),
        ("<p>" + "Nuestro restaurante y nuestra familia le ofrece para los niños una comida con amor por más de veinte años, y por las tardes el mejor café del barrio</p>", "es"),
        ("<p>" + "We are the best pizza place and our family has been here for you since the fifties, with the freshest dough and a lot of love from us to you</p>", "en"),
        ("<p>Pizza</p>", None),
        ("<html lang='x-klingon'><p>Pizza</p>", None),
    ],
    ids=["told", "its script wins", "its words", "English", "nothing tells", "no code"],
)  # fmt: skip
def test_the_language_of_a_page(html, language):
    assert read(site_page(html)).language == language
