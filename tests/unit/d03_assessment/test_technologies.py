"""Technologies: each entry can be found and changes something; marks are read in HTML, headers and cookies, quickly."""

from __future__ import annotations

import datetime as dt
import time

import pytest
import yaml

from leadfactory.d00_gateway.website.answers import SitePage
from leadfactory.d03_assessment import technologies
from leadfactory.d03_assessment.technologies import Marks, find, functions, known, platform_of
from leadfactory.d04_enrichment import markup
from leadfactory.settings import ROOT
from leadfactory.yaml_config import ConfigError

ENTRIES = known().technologies


def marks(
    head: str = "", body: str = "", headers: dict[str, str] | None = None, cookies: tuple[str, ...] = ()
) -> Marks:
    html = f"<html><head>{head}</head><body>{body}</body></html>"
    moment = dt.datetime(2026, 10, 6, tzinfo=dt.UTC)
    page = SitePage(
        "https://a.example/",
        "https://a.example/",
        200,
        headers or {},
        html,
        len(html),
        1,
        (),
        True,
        True,
        moment,
        cookies,
    )
    return Marks.of(markup.parse(html), page)


def found(**page):
    return {each.id: each for each in find(marks(**page))}


def page_with(entry: technologies.Technology) -> dict:
    """A page that shows exactly the entry's first mark."""
    if entry.generator:
        return {"head": f'<meta name="Generator" content="{entry.generator[0].title()}">'}
    if entry.loads:
        return {"head": f'<script src="https://x.example/{entry.loads[0]}"></script>'}
    if entry.links:
        return {"body": f'<a href="https://x.example/{entry.links[0]}">go</a>'}
    if entry.inline:
        return {"head": f"<script>{entry.inline[0]}</script>"}
    if entry.headers:
        name, value = next(iter(entry.headers.items()))
        return {"headers": {name: f"{value} there".title()}}
    return {"cookies": (f"{entry.cookies[0]}1",)}


def test_there_are_at_least_60_technologies_and_each_changes_something():
    assert len(ENTRIES) >= 60
    assert all(any(entry.changes.model_dump().values()) for entry in ENTRIES.values())


@pytest.mark.parametrize("name", ENTRIES)
def test_each_technology_is_found_by_its_mark_and_says_where(name):
    hit = found(**page_with(ENTRIES[name]))[name]
    assert hit.category == ENTRIES[name].category
    assert hit.evidence


def test_an_empty_page_is_made_of_nothing():
    assert find(marks()) == []


def test_words_of_the_text_are_no_marks():
    assert found(body="<p>We build WordPress, Wix and Shopify sites with jquery and calendly.com</p>") == {}


@pytest.mark.parametrize(
    ("page", "name", "version", "dated"),
    [
        ({"head": '<meta name="generator" content="WordPress 5.8.1">'}, "wordpress", "5.8.1", True),
        ({"head": '<meta name="generator" content="WordPress 6.4">'}, "wordpress", "6.4", False),
        ({"head": '<script src="/js/jquery-3.10.0.min.js"></script>'}, "jquery", "3.10.0", False),
        ({"head": '<script src="/js/jquery-1.8.3.min.js"></script>'}, "jquery", "1.8.3", True),
        ({"headers": {"x-powered-by": "PHP/7.4.33"}}, "php", "7.4.33", True),
        ({"headers": {"server": "Apache/2.4.58 (Unix) PHP/8.3.0"}}, "php", "8.3.0", False),
        ({"headers": {"x-powered-by": "PHP"}}, "php", None, False),
    ],
)
def test_a_release_is_compared_as_numbers(page, name, version, dated):
    hit = found(**page)[name]
    assert (hit.version, hit.dated) == (version, dated)


def test_the_platform_is_the_first_that_names_fix_texts():
    hits = find(
        marks(head='<meta name="generator" content="WooCommerce 8"><link rel="stylesheet" href="/wp-content/a.css">')
    )
    assert platform_of(hits) == "wordpress"
    assert platform_of(find(marks(headers={"server": "nginx"}))) is None


def test_what_a_site_can_do_is_told_by_what_it_uses():
    hits = find(marks(body='<a href="https://calendly.com/ana">Book</a>', cookies=("_shopify_y",)))
    assert functions(hits) == {"payment": "shopify", "booking": "calendly"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "X", "category": "cms", "changes": {}, "loads": ["x"]}, "changes nothing"),
        ({"name": "X", "category": "cms", "changes": {"pays": True}}, "no mark"),
        ({"name": "X", "category": "cms", "changes": {"pays": True}, "loads": ["CDN"]}, "capitals"),
        ({"name": "X", "category": "radio", "changes": {"pays": True}, "loads": ["x"]}, "category"),
        ({"name": "X", "category": "cms", "changes": {"pays": True}, "loads": ["x"], "release": {"in": "loads", "pattern": "("}}, "regular"),
    ],
)  # fmt: skip
def test_an_entry_that_is_wrong_is_refused_with_file_key_and_value(tmp_path, changed, said):
    content = yaml.safe_load((ROOT / "config" / "technologies.yaml").read_text())
    content["technologies"]["odd"] = changed
    file = tmp_path / "technologies.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match=f"(?s)technologies.yaml.*odd.*{said}"):
        known(file)


def test_a_page_as_large_as_we_read_takes_no_longer_than_parsing_it():
    head = "".join(f'<script src="https://cdn{n}.example/lib/{n}.js"></script>' for n in range(8_000))
    html = f"<html><head>{head}<script>{'x' * 900_000}</script></head></html>"
    moment = dt.datetime(2026, 10, 6, tzinfo=dt.UTC)
    page = SitePage("https://a.example/", "https://a.example/", 200, {}, html, len(html), 1, (), True, True, moment)
    began = time.process_time()
    tree = markup.parse(html)
    parsed = time.process_time() - began
    began = time.process_time()
    find(Marks.of(tree, page))
    assert time.process_time() - began < max(0.5, 5 * parsed)
