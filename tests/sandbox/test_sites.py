"""The websites: each defect shows in what is served, healthy sites do not have it, and servers misbehave as told."""

from __future__ import annotations

import json
import re

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from sandbox.sites.inventory import resources
from sandbox.sites.pages import page
from sandbox.world.sites import HOSTED, redirect_of

IN_HTML = {  # defect → what a page shows that has it, and one that has it not does not show
    "missing_title": lambda html: html.css_first("title") is None,
    "no_meta_description": lambda html: html.css_first("meta[name=description]") is None,
    "no_h1": lambda html: html.css_first("h1") is None,
    "multiple_h1": lambda html: len(html.css("h1")) > 1,
    "no_viewport": lambda html: html.css_first("meta[name=viewport]") is None,
    "images_without_alt": lambda html: any("alt" not in each.attributes for each in html.css("main img, td img")),
    "unsized_images": lambda html: any("width" not in each.attributes for each in html.css("main img, td img")),
    "huge_images": lambda html: "6000px" in html.html,
    "no_lang": lambda html: "lang" not in html.css_first("html").attributes,
    "no_favicon": lambda html: html.css_first("link[rel=icon]") is None,
    "broken_internal_link": lambda html: html.css_first("a[href='/old-page-2014.html']") is not None,
    "form_without_label": lambda html: bool(html.css("form")) and not html.css("form label"),
    "no_contact_form": lambda html: html.css_first("form") is None,
    "no_address": lambda html: not re.search(r"[A-Z]{2} \d{5}", html.css_first("footer").text()),
    "no_hours": lambda html: "9:00 am" not in html.text(),
    "no_json_ld": lambda html: html.css_first("script[type='application/ld+json']") is None,
    "outdated_copyright": lambda html: int(re.search(r"© (\d{4})", html.text())[1]) < 2026,
    "low_contrast": lambda html: "color:#bbb" in html.css_first("style").text(),
    "tiny_font": lambda html: "font-size:9px" in html.css_first("style").text(),
    "render_blocking_scripts": lambda html: len(html.css("head script[src^='/js/plugin-']:not([defer])")) > 3,
    "render_blocking_css": lambda html: len(html.css("link[rel=stylesheet][href^='/css/']")) > 3,
    "noindex": lambda html: html.css_first("meta[name=robots]") is not None,
    "console_error": lambda html: "undefinedWidget" in html.html,
    "jquery_old": lambda html: "jquery-1.8.3" in html.html,
    "flash_embed": lambda html: html.css_first("object[type*=flash]") is not None,
    "table_layout": lambda html: html.css_first("table table") is not None,
    "no_analytics": lambda html: "gtag/js" not in html.html,
    "no_open_graph": lambda html: html.css_first("meta[property^='og:']") is None,
    "lorem_ipsum": lambda html: "Lorem ipsum" in html.html,
    "large_dom": lambda html: len(html.css("*")) > 1400,
    "generic_link_text": lambda html: any(each.text() == "click here" for each in html.css("a")),
    "unused_scripts": lambda html: len(html.css("script[defer]")) > 3,
    "phone_not_linked": lambda html: html.css_first("a[href^='tel:']") is None,
    "no_phone_visible": lambda html: not re.search(r"\(\d{3}\) 555-\d{4}", html.text()),
    "mixed_content": lambda html: html.css_first("img[src^='http://']") is not None,
    "long_title": lambda html: len(html.css_first("title").text()) > 70,
}
HIDES = {  # what else hides what a defect is about, so that a site without the defect must not have it
    "phone_not_linked": ("no_phone_visible",), "long_title": ("missing_title",), "form_without_label": ("no_contact_form",),
    "unsized_images": ("layout_shift",), "no_lang": (), "mixed_content": ("no_https",),
}  # fmt: skip


@pytest.fixture
def home(browse):
    def get(site, path="/"):
        scheme = "http" if "no_https" in site.defects else "https"
        return browse(f"{scheme}://{site.host}{path}")

    return get


@pytest.mark.parametrize("defect", IN_HTML)
def test_a_defect_shows_in_the_html(home, site_like, defect):
    assert IN_HTML[defect](LexborHTMLParser(home(site_like(defect)).text))


@pytest.mark.parametrize("defect", IN_HTML)
def test_a_site_without_the_defect_does_not_show_it(home, site_like, defect):
    site = site_like(without=(defect, *HIDES.get(defect, ())))
    assert not IN_HTML[defect](LexborHTMLParser(home(site).text))


def test_pages_of_a_duplicate_title_share_it(home, site_like):
    site = site_like("duplicate_title", without=("missing_title",))
    assert (
        len({LexborHTMLParser(home(site, path).text).css_first("title").text() for path in ("/", "/about", "/contact")})
        == 1
    )


def test_pages_of_other_sites_have_titles_of_their_own(home, site_like):
    site = site_like(without=("missing_title", "duplicate_title"))
    assert (
        len({LexborHTMLParser(home(site, path).text).css_first("title").text() for path in ("/", "/about", "/contact")})
        == 3
    )


def test_a_site_without_https_refuses_tls(browse, site_like):
    site = site_like("no_https")
    assert browse(f"http://{site.host}/").status_code == 200
    with pytest.raises(httpx.ConnectError):
        browse(f"https://{site.host}/")


@pytest.mark.parametrize(
    ("defect", "header"),
    [
        ("no_cache_headers", "cache-control"),
        ("missing_security_headers", "strict-transport-security"),
        ("no_compression", "content-encoding"),
    ],
)
def test_a_missing_header_is_missing(home, site_like, defect, header):
    assert header not in home(site_like(defect)).headers
    assert header in home(site_like(without=(defect,))).headers


@pytest.mark.parametrize(
    ("defect", "path"),
    [("no_sitemap", "/sitemap.xml"), ("no_robots_txt", "/robots.txt"), ("no_favicon", "/favicon.ico")],
)
def test_a_missing_file_is_not_found(home, site_like, defect, path):
    assert home(site_like(defect), path).status_code == 404
    assert home(site_like(without=(defect,)), path).status_code == 200


@pytest.mark.parametrize("path", ["/old-page-2014.html", "/js/nothing.js", "/img/other.png"])
def test_what_a_site_does_not_have_is_not_found(home, site_like, path):
    assert home(site_like("broken_internal_link"), path).status_code == 404


def test_everything_a_page_loads_is_there_and_as_large_as_said(home, site_like):
    site = site_like("jquery_old", "unused_scripts")
    for each in resources(site)[1:]:
        answer = home(site, each.path)
        assert (answer.status_code, len(answer.content)) == (200, each.size), each.path


def test_links_of_a_site_without_broken_links_all_lead_somewhere(home, site_like):
    site = site_like(without=("broken_internal_link",))
    for each in LexborHTMLParser(home(site).text).css("nav a"):
        assert home(site, each.attributes["href"]).status_code == 200


def test_a_site_carries_the_name_of_its_business(home, world, site_like):
    site = site_like()
    name = world.business(site.business_key).name
    assert name in LexborHTMLParser(home(site).text).css_first("footer").text()


@pytest.mark.parametrize("shown", ["mailto", "json_ld", "text", "contact_page"])
def test_the_mail_address_is_where_the_world_says(world, shown):
    for business in world.within("10001", "restaurant") + world.within("10002", "restaurant"):
        site = world.site(business.host) if business.host else None
        if site and business.email_shown == shown and not business.chain and "no_json_ld" not in site.defects:
            home, contact = page(site, business, "/", "https", 2026), page(site, business, "/contact", "https", 2026)
            break
    assert business.email in contact
    assert (business.email in home) == (shown != "contact_page")


def test_linked_data_is_json_with_the_name_though_it_holds_markup(world):
    business = next(
        each for each in world.within("New York, NY", "restaurant") if "<script>" in each.name and each.host
    )
    site = world.site(business.host)
    html = LexborHTMLParser(page(site, business, "/", "https", 2026))
    found = [json.loads(each.text()) for each in html.css("script[type='application/ld+json']")]
    assert all(each["name"] == business.name for each in found)
    assert not any(each.text() == "alert(1)" for each in html.css("script"))


def test_some_sites_try_to_command_a_language_model(world):
    pages = 0
    for business in world.within("10001", "restaurant") + world.within("10002", "restaurant"):
        site = world.site(business.host) if business.host and not business.chain else None
        if site:
            text = page(site, business, "/", "https", 2026)
            pages += "Ignore all previous instructions" in text or "SYSTEM:" in text
    assert pages >= 1


def test_an_international_site_is_served_with_a_certificate_of_its_name(browse, world):
    people = world.within("New York, NY", "restaurant")
    sites = [world.site(each.host) for each in people if each.host and each.host.startswith("xn--")]
    host = next(each.host for each in sites if each.behaviour == "ok" and "no_https" not in each.defects)
    assert browse(f"https://{host}/").status_code == 200


def test_a_chains_site_shows_its_headquarters(browse):
    assert "Wilmington, DE 19801" in browse("https://pronto-slice.example/").text


def test_an_unknown_host_has_no_site(browse):
    assert browse("http://nobody.example/").status_code == 404


def test_a_server_error_is_a_500(home, site_like):
    assert home(site_like(behaviour="server_error")).status_code == 500


def test_a_refusing_server_drops_the_connection(home, site_like):
    with pytest.raises(httpx.TransportError):
        home(site_like(behaviour="refused"))


def test_a_silent_server_never_answers(running, site_like):
    host = site_like(behaviour="timeout").host
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(running.base_url, headers={"host": host}, timeout=0.3)


def test_a_wrong_certificate_is_for_another_name(browse, site_like):
    site = site_like(behaviour="bad_certificate")
    with pytest.raises(httpx.ConnectError, match=r"wrong-name|mismatch|not valid for"):
        browse(f"https://{site.host}/")


def test_a_site_that_redirects_to_https_does_so_once(browse, site_like):
    site = site_like(behaviour="redirect_https")
    first = browse(f"http://{site.host}/contact")
    assert (first.status_code, first.headers["location"]) == (301, f"https://{site.host}/contact")
    assert browse(first.headers["location"]).status_code == 200


def test_a_site_on_another_host_is_there(browse, site_like):
    site = site_like(behaviour="redirect_other_host", without=("no_https",))
    first = browse(f"https://{site.host}/")
    assert httpx.URL(first.headers["location"]).host != site.host
    assert browse(first.headers["location"]).status_code == 200


def test_some_sites_move_to_another_domain(world):
    people = world.within("New York, NY", "dental")[:3000]
    sites = [world.site(each.host) for each in people if each.host]
    targets = [redirect_of(each, each.host, "https", "/") for each in sites if each.behaviour == "redirect_other_host"]
    assert {HOSTED in target for target in targets} == {True, False}


def test_a_redirect_loop_never_ends(home, browse, site_like):
    site, seen = site_like(behaviour="redirect_loop"), []
    answer = home(site)
    for _ in range(12):
        assert answer.status_code == 302
        seen.append(answer.headers["location"])
        answer = browse(seen[-1])


def test_a_forbidding_robots_txt_forbids_all(home, site_like):
    assert "Disallow: /\n" in home(site_like(behaviour="robots_disallow"), "/robots.txt").text


def test_a_parked_domain_is_for_sale(home, site_like):
    assert "for sale" in home(site_like(behaviour="parked")).text


def test_a_site_may_be_no_html_at_all(home, site_like):
    assert home(site_like(behaviour="not_html")).headers["content-type"] == "application/pdf"


def test_a_huge_page_is_20_megabytes(running, site_like):
    host = site_like(behaviour="huge").host
    with httpx.stream("GET", running.base_url, headers={"host": host}, timeout=10) as answer:
        assert sum(len(chunk) for chunk in answer.iter_raw()) > 20_000_000


IN_OFFERS = {  # what a site offers → what its home page shows that offers it, and another does not
    "call_to_action": lambda html: html.css_first("a.button") is not None,
    "menu_page": lambda html: html.css_first("nav a[href='/menu']") is not None,
    "menu_file": lambda html: html.css_first("nav a[href='/menu.pdf']") is not None,
    "ordering": lambda html: html.css_first("nav a[href='/order']") is not None,
    "booking": lambda html: any("Book online" in each.text() for each in html.css("a")),
    "privacy": lambda html: html.css_first("footer a[href='/privacy']") is not None,
    "accessibility": lambda html: html.css_first("footer a[href='/accessibility']") is not None,
    "social": lambda html: html.css_first("footer a[href^='https://www.facebook.com/']") is not None,
    "dead_social": lambda html: html.css_first("footer a[href='https://www.facebook.com/']") is not None,
    "map": lambda html: html.css_first("iframe") is not None,
    "map_untitled": lambda html: any("title" not in each.attributes for each in html.css("iframe")),
    "reviews": lambda html: html.css_first("blockquote") is not None,
    "dated_markup": lambda html: html.css_first("center font") is not None,
}


@pytest.fixture(scope="module")
def restaurants(world):
    found = [world.site(each.host) for each in world.within("10001", "restaurant") if each.host and not each.chain]
    return [site for site in found if site.behaviour == "ok"]


@pytest.mark.parametrize("offer", IN_OFFERS)
def test_what_a_site_offers_shows_in_the_html_and_nowhere_else(world, restaurants, offer):
    shown = {
        site.host: IN_OFFERS[offer](LexborHTMLParser(page(site, world.business(site.business_key), "/", "https", 2026)))
        for site in restaurants
    }
    assert shown == {site.host: offer in site.offers for site in restaurants}
    assert set(shown.values()) == {True, False}


def test_offers_are_as_frequent_as_their_vertical_has_them(world):
    for vertical, rates in (("restaurant", (0.55, 0.38)), ("dental", (0.68, 0.02))):
        sites = [
            world.site(each.host)
            for each in world.within("New York, NY", vertical)[:3000]
            if each.host and not each.chain
        ]
        for offer, rate in zip(("call_to_action", "ordering"), rates, strict=True):
            assert sum(offer in site.offers for site in sites) / len(sites) == pytest.approx(rate, abs=0.04)


def test_sites_differ_in_builder_release_and_language(restaurants):
    assert len({site.platform for site in restaurants}) >= 6
    assert len({site.release for site in restaurants if site.platform == "wordpress"}) >= 4
    assert {site.language for site in restaurants} == {"en", "es"}


def test_common_defects_are_commoner_than_rare_ones(restaurants):
    def count(defect):
        return sum(defect in site.defects for site in restaurants)

    assert count("missing_security_headers") > 4 * count("flash_embed")
    assert count("no_json_ld") > 2 * count("missing_title")


def test_a_menu_as_a_file_is_a_pdf(home, world, restaurants):
    site = next(each for each in restaurants if "menu_file" in each.offers and "no_https" not in each.defects)
    assert home(site, "/menu.pdf").content.startswith(b"%PDF-")
    assert home(site, "/menu").status_code == 404


def test_some_servers_tell_their_php(home, restaurants):
    site = next(
        each
        for each in restaurants
        if "php_told" in each.offers and each.platform == "wordpress" and "no_https" not in each.defects
    )
    assert home(site).headers["x-powered-by"].startswith("PHP/")
