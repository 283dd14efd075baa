"""What a page says of its business, and that nothing on a page can break the reader."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d04_enrichment.contacts import Contact
from leadfactory.d04_enrichment.page import read
from tests.examples import examples
from tests.unit.d04_enrichment.conftest import site_page


def test_what_only_machines_read_is_the_pages_word_too():
    data = {"@type": "Dentist", "telephone": "+1 212-555-0101", "openingHours": "Mo-Fr 09:00-18:00",
            "address": {"streetAddress": "12 W 30th St", "addressRegion": "NY", "postalCode": "10001"}}  # fmt: skip
    reading = read(site_page(f'<script type="application/ld+json">{json.dumps(data)}</script><p>hello</p>'))
    assert (reading.said.phone, reading.said.address) == ("+12125550101", "12 W 30th St, NY 10001")


@pytest.mark.parametrize(
    ("html", "parked"),
    [
        ("<p>This domain is for sale. Buy this domain today.</p>", True),
        ("<p>Our lot is parked full on Sundays.</p>", False),
        ("<p>This domain is for sale.</p>" + "<p>We bake bread every morning.</p>" * 60, False),
    ],
    ids=["an offer", "another sense", "a whole shop below"],
)
def test_a_page_that_sells_its_domain_and_says_little_else_is_parked(html, parked):
    assert read(site_page(html)).parked is parked


@pytest.mark.parametrize(
    ("html", "platform"),
    [
        ('<meta name="generator" content="WordPress 6.4">', "wordpress"),
        ('<link rel="stylesheet" href="/wp-content/themes/x.css">', "wordpress"),
        ('<script src="https://static.parastorage.com/x.js"></script>', "wix"),
        ("<p>We left WordPress and Squarespace.</p>", None),
    ],
)
def test_a_platform_is_told_by_what_the_page_loads_and_not_by_its_words(html, platform):
    assert read(site_page(html)).platform == platform


@pytest.mark.parametrize(
    ("html", "name"),
    [
        ('<script type="application/ld+json">{"@graph":[{"@type":"LocalBusiness","name":"Joe\'s"}]}</script>', "Joe's"),
        ('<meta property="og:site_name" content="Joe&#39;s"><title>Home</title>', "Joe's"),
        ('<meta property="og:site_name" content="My Site"><title>Home | Joe\'s Pizza</title>', "Joe's Pizza"),
        ("<title>Best pizza in town | Joe's Pizza</title>", "Joe's Pizza"),
        ("<title>Home</title>", None),
        ('<script type="application/ld+json">{"@type":"Restaurant","name":"Joe\'s <b>Pizza</b><script>alert(1)<\\/script>"}</script>', "Joe's Pizza"),
        ("<title>北京楼 – 菜单</title>", "北京楼"),
        ("", None),
    ],
)  # fmt: skip
def test_the_own_name_is_the_pages_own_word(html, name):
    hint = "北京楼" if "北" in html else "Joe's Pizza"
    assert read(site_page(html), hint=hint).said.name == name


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("Call (212) 555-0101 or visit 12 W 30th St, New York, NY 10001 today", "12 W 30th St, New York, NY 10001"),
        ("© 2024 Joe's, 350 5th Ave, Suite 200, New York, NY 10118", "350 5th Ave, Suite 200, New York, NY 10118"),
        ("In 2019 we won. AB 12345", None),
        ("12 Main St, Chicago, NY 60601", None),
    ],
)
def test_a_written_address_ends_in_a_state_and_a_zip_code_that_belong_together(text, address):
    assert read(site_page(f"<p>{text}</p>")).said.address == address


@pytest.mark.parametrize(
    ("told", "country"), [("US", "US"), ("United States", "US"), ("ca", "CA"), ("Kanada!", ""), (None, None)]
)
def test_the_country_is_what_the_page_names(told, country):
    data = {"@type": "Store", "address": {"streetAddress": "1 Main St", "addressCountry": told}}
    assert read(site_page(f'<script type="application/ld+json">{json.dumps(data)}</script>')).said.country == country


@pytest.mark.parametrize(
    ("href", "url"),
    [("/contact", "https://joes.example/contact"), ("https://www.joes.example/contact-us#form", "https://www.joes.example/contact-us"),
     ("https://other.example/contact", None), ("mailto:contact@joes.example", None), ("//[bad/contact", None), ("#contact", None)],
)  # fmt: skip
def test_the_contact_page_is_on_the_own_domain(href, url):
    assert read(site_page(f'<a href="{href}">x</a>')).contact_url == url


HOSTILE = [
    '<script type="application/ld+json">' + "[" * 50_000 + "</script>",
    '<script type="application/ld+json">{"@type":"Store","name":"a\\u0000b\\ud800c","openingHours":[NaN,{"opens":"\\u0000"}]}</script>',
    '<script type="application/ld+json">{"@type":"Store","name":["x"],"address":[],"telephone":{},"email":[1],"openingHours":7}</script>',
    "<div>" * 300_000,
    "<x/>" * 300_000,
    "<b " * 300_000,
    "a@" * 50_000,
    "info [at] " + "a [dot] " * 20_000,
    "1 " * 100_000 + "NY 10001",
    "<a href='tel:" + "9" * 100_000 + "'>x</a>",
    "<frameset><frame src=a></frameset>",
    "\x01\x02\ufffd\u202e",
]


@pytest.mark.parametrize("html", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_page_is_read_and_what_it_says_fits_every_column(html):
    reading = read(site_page(html), hint="x")
    for text in (reading.said.name, reading.said.phone, reading.said.address, *(reading.said.hours or [])):
        assert text is None or (text.isprintable() and len(text) <= 300)
    json.dumps(dataclasses.asdict(reading.said), allow_nan=False).encode("utf-8")


def test_a_page_that_nests_too_deep_is_read_to_that_point():
    assert read(
        site_page("<title>Joe's</title><p>info@joes.example</p>" + "<div>" * 300_000 + "late@joes.example")
    ).emails == (Contact("info@joes.example", "text"),)


@pytest.mark.parametrize(
    "html", ["<li>a" * 5_000, "<svg>" + "<path/>" * 5_000 + "</svg>", "<div></div>" * 5_000, "<br>" * 5_000]
)
def test_a_long_page_that_nests_little_is_read_to_its_end(html):
    assert [each.email for each in read(site_page(html + " info@joes.example")).emails] == ["info@joes.example"]


_parts = st.sampled_from(
    [
        "<",
        ">",
        "</",
        "script",
        "title",
        "a href=",
        '"',
        "mailto:",
        "@",
        "&#0;",
        "table",
        "json",
        "{",
        "\\u0000",
        "é",
        "[at]",
        " ",
    ]
)


@given(st.lists(_parts | st.text(max_size=6), max_size=60).map("".join))
@examples(150)
def test_no_page_breaks_the_reader(html):
    reading = read(site_page(html))
    json.dumps(dataclasses.asdict(reading.said), allow_nan=False)
