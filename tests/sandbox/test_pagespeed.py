"""PageSpeed: it agrees with the site's HTML, scores as Lighthouse does, and refuses as Google does."""

from __future__ import annotations

import types

import pytest
from selectolax.lexbor import LexborHTMLParser
from starlette.applications import Starlette
from starlette.testclient import TestClient

from sandbox.sites.pages import page
from sandbox.state import Sandbox
from sandbox.vendors import pagespeed
from sandbox.vendors.lighthouse_audits import FAILED_BY
from sandbox.vendors.lighthouse_metrics import curve_score, measure

ALL = ("PERFORMANCE", "ACCESSIBILITY", "BEST_PRACTICES", "SEO")
KEY = "sandbox-google-key"


@pytest.fixture
def state(world):
    return Sandbox(world)


@pytest.fixture
def ask(state):
    client = TestClient(Starlette(routes=pagespeed.routes(state)))

    def get(url, *, key=KEY, strategy="MOBILE", category=ALL, **more):
        asked = {"url": url, "key": key, "strategy": strategy, "category": category, **more}
        return client.get("/pagespeedonline/v5/runPagespeed", params={k: v for k, v in asked.items() if v is not None})

    return get


@pytest.fixture
def measured(ask):
    def run(site, **more):
        scheme = "http" if "no_https" in site.defects else "https"
        return ask(f"{scheme}://{site.host}/", **more).json()["lighthouseResult"]

    return run


@pytest.mark.parametrize(("defect", "audit"), FAILED_BY.items())
def test_a_defect_of_the_html_fails_its_audit(measured, site_like, defect, audit):
    assert measured(site_like(defect))["audits"][audit]["score"] == 0


@pytest.mark.parametrize("audit", sorted(set(FAILED_BY.values())))
def test_a_site_without_such_defects_passes_the_audit(measured, site_like, audit):
    clean = site_like(without=tuple(defect for defect, failed in FAILED_BY.items() if failed == audit))
    assert measured(clean)["audits"][audit]["score"] == 1


@pytest.mark.parametrize(
    ("defect", "audit"),
    [
        ("slow_server", "server-response-time"), ("slow_server", "document-latency-insight"), ("large_dom", "dom-size-insight"),
        ("unused_scripts", "unused-javascript"), ("render_blocking_css", "render-blocking-insight"), ("no_compression", "document-latency-insight"),
        ("render_blocking_scripts", "render-blocking-insight"), ("unsized_images", "unsized-images"), ("jquery_old", "legacy-javascript-insight"),
    ],
)  # fmt: skip
def test_a_defect_lowers_the_audit_that_measures_it(measured, site_like, defect, audit):
    assert measured(site_like(defect))["audits"][audit]["score"] < 1


@pytest.mark.parametrize(
    ("defect", "metric"),
    [
        ("slow_server", "first-contentful-paint"), ("huge_images", "largest-contentful-paint"), ("layout_shift", "cumulative-layout-shift"),
        ("unused_scripts", "total-blocking-time"), ("render_blocking_scripts", "first-contentful-paint"), ("huge_images", "total-byte-weight"),
    ],
)  # fmt: skip
def test_a_defect_worsens_the_metric(world, defect, metric):
    people = world.within("10001", "restaurant") + world.within("10002", "restaurant")
    numbers = [
        (site, measure(site, phone=True).numbers[metric])
        for each in people
        if each.host and (site := world.site(each.host))
    ]
    having = [number for site, number in numbers if defect in site.defects]
    lacking = [number for site, number in numbers if defect not in site.defects]
    assert sum(having) / len(having) > 1.15 * sum(lacking) / len(lacking)


@pytest.mark.parametrize(
    ("defect", "audit", "selector"),
    [
        ("images_without_alt", "image-alt", "main img:not([alt])"), ("form_without_label", "label", "form input, form textarea"),
        ("unsized_images", "unsized-images", "main img:not([width])"), ("low_contrast", "color-contrast", "main p"),
        ("generic_link_text", "link-text", "nav a[href='/contact']"),
    ],
)  # fmt: skip
def test_an_audit_lists_as_many_elements_as_the_html_has(measured, world, site_like, defect, audit, selector):
    site = site_like(defect, without=("table_layout", "mixed_content"))
    html = LexborHTMLParser(page(site, world.business(site.business_key), "/", "https", 2026))
    assert len(measured(site)["audits"][audit]["details"]["items"]) == len(html.css(selector))


def test_the_bytes_are_those_that_the_page_loads(measured, site_like):
    audits = measured(site_like("huge_images"))["audits"]
    summary = {row["resourceType"]: row["transferSize"] for row in audits["resource-summary"]["details"]["items"]}
    assert audits["total-byte-weight"]["numericValue"] == summary["total"]


def test_a_site_that_forbids_robots_is_not_crawlable(measured, site_like):
    assert measured(site_like(behaviour="robots_disallow"))["audits"]["is-crawlable"]["score"] == 0


def test_a_page_asked_for_without_tls_is_not_on_https(ask, site_like):
    found = ask(f"http://{site_like(without=('no_https',)).host}/").json()
    assert found["lighthouseResult"]["audits"]["is-on-https"]["score"] == 0


def test_the_same_question_has_the_same_answer(ask, site_like):
    url = f"https://{site_like(without=('no_https',)).host}/"
    first, second = ask(url).json(), ask(url).json()
    for each in (first, second):
        del each["analysisUTCTimestamp"], each["lighthouseResult"]["fetchTime"]
    assert first == second


@pytest.mark.parametrize(("value", "score"), [(1800, 0.9), (3000, 0.5), (0, 1.0), (60_000, 0.0)])
def test_a_curve_is_fixed_by_its_p10_and_median(value, score):
    assert curve_score(value, 1800, 3000) == score


def test_performance_is_the_weighted_mean_of_five_metrics(measured, site_like):
    found = measured(site_like("huge_images"))
    weights = {
        "first-contentful-paint": 10, "speed-index": 10, "largest-contentful-paint": 25, "total-blocking-time": 30,
        "cumulative-layout-shift": 25,
    }  # fmt: skip
    mean = sum(found["audits"][name]["score"] * weight for name, weight in weights.items()) / 100
    assert found["categories"]["performance"]["score"] == pytest.approx(mean, abs=0.005)


def test_a_computer_is_faster_than_a_phone(measured, site_like):
    site = site_like("huge_images")
    phone, computer = (measured(site, strategy=each) for each in ("MOBILE", "DESKTOP"))
    name = "largest-contentful-paint"
    assert phone["audits"][name]["numericValue"] > computer["audits"][name]["numericValue"]


def test_scores_spread_from_poor_to_good(world):
    people = [each for each in world.within("10001", "restaurant") if each.host]
    scores = [measure(world.site(each.host), phone=True).scores["largest-contentful-paint"] for each in people]
    assert min(scores) < 0.3
    assert max(scores) > 0.9


def test_without_a_category_only_performance_is_measured(measured, site_like):
    assert list(measured(site_like(), category=None)["categories"]) == ["performance"]


def test_only_the_categories_asked_for_are_measured(measured, site_like):
    found = measured(site_like(), category=["SEO", "ACCESSIBILITY"])
    assert set(found["categories"]) == {"seo", "accessibility"}
    assert "largest-contentful-paint" not in found["audits"]


def test_an_answer_is_not_larger_than_60_kilobytes(ask, world):
    people = [each for each in world.within("10001", "restaurant") if each.host]
    sizes = [len(ask(f"http://{each.host}/").content) for each in people[:60]]
    assert max(sizes) <= 60 * 1024


def test_the_final_url_is_where_redirects_end(ask, site_like):
    site = site_like(behaviour="redirect_https")
    found = ask(f"http://{site.host}/").json()
    assert found["id"] == found["lighthouseResult"]["finalUrl"] == f"https://{site.host}/"


def test_a_chain_has_field_data(ask):
    found = ask("https://pronto-slice.example/").json()["loadingExperience"]
    assert found["overall_category"] in {"FAST", "AVERAGE", "SLOW"}
    assert all(abs(sum(d["proportion"] for d in m["distributions"]) - 1) < 1e-6 for m in found["metrics"].values())


def test_a_small_site_has_no_field_data(ask, site_like):
    found = ask(f"https://{site_like(without=('no_https',)).host}/").json()
    assert "metrics" not in found.get("loadingExperience", {})


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("server_error", "ERRORED_DOCUMENT_REQUEST"), ("not_html", "NOT_HTML"), ("huge", "NO_FCP")],
)
def test_a_page_that_loads_badly_is_a_runtime_error_with_200(measured, site_like, behaviour, code):
    found = measured(site_like(behaviour=behaviour))
    assert found["runtimeError"]["code"] == code
    assert {each["score"] for each in found["categories"].values()} == {None}
    assert {each["score"] for each in found["audits"].values()} == {None}


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("dead_domain", "DNS_FAILURE"), ("timeout", "ERR_TIMED_OUT"), ("refused", "ERR_CONNECTION_RESET"),
        ("redirect_loop", "ERR_TOO_MANY_REDIRECTS"), ("bad_certificate", "INSECURE_DOCUMENT_REQUEST"), ("private_address", "FAILED_DOCUMENT_REQUEST"),
    ],
)  # fmt: skip
def test_a_page_that_cannot_be_loaded_is_an_error_of_lighthouse(ask, site_like, behaviour, said):
    answer = ask(f"https://{site_like(behaviour=behaviour).host}/")
    assert answer.status_code in {400, 500}
    assert said in answer.json()["error"]["message"]
    assert answer.json()["error"]["errors"][0] | {"message": ""} == {
        "message": "",
        "domain": "lighthouse",
        "reason": "lighthouseUserError",
    }


def test_https_of_a_site_without_it_cannot_be_loaded(ask, site_like):
    assert "ERR_SSL" in ask(f"https://{site_like('no_https').host}/").text


def test_what_could_not_be_loaded_was_not_accepted(ask, state, site_like):
    ask(f"https://{site_like(behaviour='dead_domain').host}/")
    assert state.truth.of("pagespeed") == []


def test_what_was_measured_is_in_the_truth_log(ask, state):
    ask("https://pronto-slice.example/")
    (entry,) = state.truth.of("pagespeed", "run")
    assert (entry["id"], entry["strategy"]) == ("https://pronto-slice.example/", "MOBILE")


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"url": None}, "url"), ({"url": ""}, "url"), ({"url": "ftp://a.example/"}, "ftp://"), ({"url": "a.example"}, "a.example"),
        ({"url": "http://[broken"}, "broken"), ({"url": "https://"}, "https://"),
        ({"url": "https://a.example", "category": ["CHARM"]}, "CHARM"), ({"url": "https://a.example", "strategy": "WATCH"}, "WATCH"),
    ],
)  # fmt: skip
def test_a_wrong_request_is_refused_by_name(ask, asked, named):
    answer = ask(**asked)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert named in answer.json()["error"]["message"]


@pytest.mark.parametrize("key", [None, "", "wrong"])
def test_a_wrong_key_is_refused(ask, key):
    error = ask("https://pronto-slice.example/", key=key).json()["error"]
    assert (error["code"], error["details"][0]["reason"]) == (400, "API_KEY_INVALID")


def test_an_exhausted_key_has_met_its_daily_limit(ask):
    answer = ask("https://pronto-slice.example/", key="exhausted-google-key")
    assert (answer.status_code, "Queries per day" in answer.text) == (429, True)


def test_over_the_limit_a_minute_nothing_is_measured(ask, state):
    state.options["pagespeed_per_minute"] = 0
    answer = ask("https://pronto-slice.example/")
    assert (answer.status_code, "Queries per minute" in answer.text) == (429, True)
    assert state.truth.of("pagespeed") == []


@pytest.mark.parametrize("category", [["performance", "best-practices"], ["PWA"]])
def test_other_spellings_and_retired_categories_are_taken(ask, category):
    assert ask("https://pronto-slice.example/", category=category).status_code == 200


def test_the_vendors_fault_hook_knows_both_limits():
    said = types.SimpleNamespace(**{k: pagespeed.fault_response(429, k).body.decode() for k in ("second", "daily")})
    assert "per minute" in said.second
    assert "per day" in said.daily
