"""Addresses that a page publishes, and which of them to write to."""

from __future__ import annotations

import pytest

from leadfactory.d04_enrichment.contacts import Contact, best, refuses_solicitation
from leadfactory.d04_enrichment.own_site import is_own, registrable_domain
from leadfactory.d04_enrichment.page import read
from tests.unit.d04_enrichment.conftest import site_page


def found(html: str) -> list[tuple[str, str]]:
    return [(each.email, each.how) for each in read(site_page(html)).emails]


@pytest.mark.parametrize(
    ("html", "email", "how"),
    [
        ('<a href="mailto:Info@Joes.example?subject=Hi">Write</a>', "info@joes.example", "mailto"),
        ('<a href="MAILTO:info%40joes.example">Write</a>', "info@joes.example", "mailto"),
        ("<p>E-mail: info@joes.example.</p>", "info@joes.example", "text"),
        ("<p>info [at] joes [dot] example</p>", "info@joes.example", "text"),
        ("<p>info(at)mail.joes.example</p>", "info@mail.joes.example", "text"),
        ('<script type="application/ld+json">{"@type":"Dentist","email":"mailto:info@joes.example"}</script>', "info@joes.example", "json_ld"),
        ("<p>hola@peña.example</p><a href='mailto:hola@peña.example'>x</a>", "hola@xn--pea-8ma.example", "mailto"),
    ],
    ids=["mailto", "encoded mailto", "text", "spelt", "spelt with a dot", "structured data", "international domain"],
)  # fmt: skip
def test_an_address_is_found_as_it_is_published(html, email, how):
    assert (email, how) in found(html)


@pytest.mark.parametrize(
    "html",
    [
        "<p>noreply@joes.example</p>",
        "<p>do-not-reply@joes.example</p>",
        '<img src="logo@2x.png" alt="logo@2x.png"> logo@2x.png',
        "<p>you@yourdomain.com</p>",
        "<p>605a7baede844d278b89dc95ae0a9123@sentry-next.wixpress.com</p>",
        '<script>var owner = "info@joes.example";</script>',
        "<style>@media print { a@b.example {} }</style>",
        "<p>meet me @ noon</p>",
        '<a href="mailto:">Write</a>',
        "<p>a@b</p>",
    ],
)
def test_what_is_no_address_of_the_business_is_left(html):
    assert found(html) == []


OWN = Contact("info@joes.example", "text")
PERSON = Contact("maria.lopez@joes.example", "mailto")
FREE = Contact("joes.pizza@gmail.com", "mailto")
AGENCY = Contact("hello@webagency.example", "mailto")


@pytest.mark.parametrize(
    ("candidates", "chosen"),
    [
        ([FREE, OWN], OWN),
        ([PERSON, OWN], OWN),
        ([FREE, PERSON], PERSON),
        ([AGENCY, FREE], FREE),
        ([AGENCY], None),
        ([Contact("joe@holding.example", "json_ld")], Contact("joe@holding.example", "json_ld")),
        ([], None),
    ],
    ids=["own before free", "role before person", "own person before free", "free before a stranger's", "never a stranger's",
         "unless the structured data claims it", "none"],
)  # fmt: skip
def test_the_address_to_write_to(candidates, chosen):
    assert best(candidates, {"www.joes.example"}) == chosen


def test_a_redirect_does_not_make_the_own_domain_a_strangers():
    assert best([OWN], {"joes.example", "joes.builder.example"}) == OWN


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("We do not accept unsolicited e-mail.", True),
        ("No solicitation, please.", True),
        ("Please don’t send marketing emails.", True),
        ("No appointment needed. Write to us.", False),
        ("Ask our solicitors.", False),
    ],
)
def test_a_page_may_ask_sellers_not_to_write(text, refuses):
    assert refuses_solicitation(text) is refuses


@pytest.mark.parametrize(
    ("host", "domain"),
    [("www.joes.co.uk", "joes.co.uk"), ("Joes.Example.", "joes.example"), ("joes.wixsite.com", "joes.wixsite.com"), ("localhost", "localhost")],
)  # fmt: skip
def test_a_registrable_domain_is_what_one_customer_registered(host, domain):
    assert registrable_domain(host) == domain


@pytest.mark.parametrize(
    ("url", "own"),
    [("https://www.facebook.com/joes", False), ("http://m.yelp.com/biz/joes", False), ("https://sites.google.com/view/joes", True),
     ("https://joes.example/", True), ("https://[broken", False), ("", False)],
)  # fmt: skip
def test_a_page_on_somebody_elses_website_is_not_the_own_site(url, own):
    assert is_own(url) is own
