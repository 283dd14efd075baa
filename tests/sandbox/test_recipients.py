"""How simulated recipients behave: drawn by address, acting over HTTP on a small shop, in their own time."""

from __future__ import annotations

import dataclasses
import datetime as dt
import http.server
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox import process
from sandbox.clock import Clock
from sandbox.recipients import settings
from sandbox.recipients.browser import is_ours
from sandbox.recipients.crowd import Crowd
from sandbox.recipients.letter import letter_of
from sandbox.recipients.script import Step, script
from sandbox.recipients.temper import FATES, RATES, Temper, temper_of
from sandbox.state import Sandbox
from sandbox.world.seeded import SeededWorld

NOON = "2026-10-06T12:00:00+00:00"
SENDGRID, STRIPE = {"Authorization": "Bearer SG.sandbox-sendgrid-key"}, {"Authorization": "Bearer sk_test_sandbox"}
EVERYONE = [f"owner{i}@shop{i}.example" for i in range(4000)]


def test_a_recipient_is_the_same_one_every_time() -> None:
    assert [temper_of(7, each, {}) for each in EVERYONE[:200]] == [temper_of(7, each, {}) for each in EVERYONE[:200]]


def test_another_seed_has_other_recipients() -> None:
    assert [temper_of(7, each, {}) for each in EVERYONE[:200]] != [temper_of(8, each, {}) for each in EVERYONE[:200]]


def test_who_bounced_once_bounces_again() -> None:
    assert [temper_of(7, each, {}, letter=3).delivery for each in EVERYONE] == [
        temper_of(7, each, {}).delivery for each in EVERYONE
    ]


@pytest.mark.parametrize(("kind", "field", "value"), [("bounce", "delivery", "bounce"), ("prefetch", "prefetch", True),
                                                      ("click", "clicks", True), ("spamreport", "leaves", "spamreport")])  # fmt: skip
def test_shares_are_near_their_rates(kind: str, field: str, value: object) -> None:
    rate = 0.2 if RATES[kind] < 0.01 else RATES[kind]
    found = sum(getattr(temper_of(1, each, {kind: rate}), field) == value for each in EVERYONE) / len(EVERYONE)
    assert found == pytest.approx(rate, rel=0.35)


@pytest.mark.parametrize("fate", FATES)
def test_a_fixed_fate_leaves_nothing_else_to_chance(fate: str) -> None:
    quiet = dict.fromkeys(("deferred", "machine_open", "prefetch"), 0.0)
    assert len({temper_of(1, each, quiet, fate) for each in EVERYONE[:50]}) == 1


def test_every_fate_differs_from_every_other() -> None:
    quiet = dict.fromkeys(("deferred", "machine_open", "prefetch"), 0.0)
    assert len({temper_of(1, EVERYONE[0], quiet, fate) for fate in FATES}) == len(FATES)


@pytest.mark.parametrize(("asked", "named"), [({"rates": {"clikc": 0.1}}, "clikc"), ({"rates": {"click": 2}}, "click=2"), ([], "JSON object"),
                                              ({"fates": {"a@b.example": "dance"}}, "dance"), ({"hurry": 0}, "hurry=0"), ({"act": 1}, "act=1")])  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(asked: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        settings.checked(asked, {})


def test_rates_are_added_to_those_that_are_set() -> None:
    assert settings.checked({"rates": {"open": 0.5}}, {"sendgrid_rates": {"click": 0.1}}) == {
        "sendgrid_rates": {"click": 0.1, "open": 0.5}
    }


@pytest.mark.parametrize(
    "link", ["https://shop.example/a", "http://10.0.0.1/", "http://evil.com@real.example/", "mailto:a@b.example"]
)
def test_a_link_that_leads_elsewhere_is_not_followed(link: str) -> None:
    assert not is_ours(link)


def a_letter(**changes: Any):
    content = {
        "text/html": '<a href="http://localhost/u/t">no</a><a href="http://localhost/a/t?x=1&amp;y=2">yes</a>',
        "text/plain": "Hello.",
    }
    headers = {
        "List-Unsubscribe": "<http://localhost/u/t>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    } | changes.pop("headers", {})
    return letter_of("o@x.example", "Your page", content, headers, "reply+t@us.example", "m1")


def test_a_reader_follows_the_offer_and_not_the_way_out() -> None:
    assert a_letter().main_link == "http://localhost/a/t?x=1&y=2"


def test_a_scanner_follows_all_links_within_seconds_of_delivery() -> None:
    steps = list(script(Temper(prefetch=True), a_letter(), None, None, acting=True))
    clicks = [step for step in steps if step.event == "click"]
    assert {step.fields["url"] for step in clicks} == set(a_letter().links)
    assert all(5 < step.after_s < 10 for step in clicks)


def test_a_mail_that_cannot_be_unsubscribed_is_read_by_who_bought() -> None:
    steps = list(
        script(Temper(leaves="spamreport"), a_letter(headers={"List-Unsubscribe": ""}), None, None, acting=True)
    )
    assert [step.deed for step in steps if step.deed] == ["read_report"]


def test_steps_come_in_order_of_time() -> None:
    everything = Temper(
        deferred=True,
        machine_open=True,
        prefetch=True,
        out_of_office=True,
        opens=True,
        clicks=True,
        refund=True,
        writes="reply",
    )
    times = [step.after_s for step in script(everything, a_letter(), None, None, acting=True)]
    assert times[2:] == sorted(times[2:])


def test_people_wait_for_their_time_under_a_moving_clock() -> None:
    began = dt.datetime.now(dt.UTC)
    sandbox = Sandbox(SeededWorld("demo"), clock=Clock(began, began, 100.0))
    crowd, done = Crowd(sandbox), []
    crowd.follow(iter([Step(10), Step(100)]), lambda step: done.append((step.after_s, sandbox.clock.now())))
    wait(lambda: len(done) == 2, 10)
    assert all(at >= began + dt.timedelta(seconds=after_s) for after_s, at in done)


def wait(ready: Any, within_s: float) -> None:
    deadline = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@dataclasses.dataclass
class Shop:
    """A shop of one page and one till, which keeps what was asked of it. ``till`` opens the checkout and gives its URL."""

    url: str
    till: Any = None
    asked: list[tuple[str, str, str, str]] = dataclasses.field(default_factory=list)

    def of(self, method: str, path: str) -> list[tuple[str, str, str, str]]:
        return [each for each in self.asked if each[0] == method and each[1].startswith(path)]


PAGES = {
    "/a/": '<form method="get" action="/s"><button>Search</button></form><form method="post" action="/a/t/checkout"><button>Get the report</button></form>',
    "/u/": '<form method="post"><input type="hidden" name="all" value="1"><button>Stop all mail</button></form>',
    "/success": '<p>Thank you</p><a href="/r/t.pdf">Your report</a>',
    "/r/t": '<a href="/r/t.pdf">PDF</a>',
}


@pytest.fixture
def shop() -> Iterator[Shop]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._take("GET")
            page = next((text for path, text in PAGES.items() if self.path.startswith(path)), "<p>page</p>")
            pdf = self.path.endswith(".pdf")
            self._answer(200, b"%PDF-" if pdf else page.encode(), "application/pdf" if pdf else "text/html")

        def do_POST(self) -> None:
            self._take("POST")
            if self.path.endswith("/checkout"):
                self.send_response(303)
                self.send_header("Location", found.till())
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._answer(200, b"<p>done</p>", "text/html")

        def _take(self, method: str) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode("utf-8", "replace")
            found.asked.append((method, self.path, body, self.headers.get("User-Agent", "")))

        def _answer(self, status: int, body: bytes, media: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Shop(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def vendor() -> Iterator[httpx.Client]:
    with process.start(clock=NOON) as found, httpx.Client(base_url=found.base_url, timeout=10) as client:
        yield client


@pytest.fixture
def mailed(vendor: httpx.Client, shop: Shop) -> Any:
    """Mails one recipient of a fate and gives the deeds once nothing more will come."""

    def till() -> str:
        order = {
            "mode": "payment", "success_url": f"{shop.url}/success?session_id={{CHECKOUT_SESSION_ID}}", "cancel_url": f"{shop.url}/cancel/t",
            "line_items[0][quantity]": "1", "line_items[0][price_data][currency]": "usd", "line_items[0][price_data][unit_amount]": "19900",
            "line_items[0][price_data][product_data][name]": "Website report",
        }  # fmt: skip
        return vendor.post("/stripe/v1/checkout/sessions", headers=STRIPE, data=order).raise_for_status().json()["url"]

    shop.till = till

    def send(fate: str, rates: dict[str, float] | None = None) -> dict[str, str]:
        vendor.post("/_admin/reset").raise_for_status()
        address = f"{fate.replace('_', '-')}@shop1.example"
        quiet = dict.fromkeys(("deferred", "machine_open", "prefetch"), 0.0) | (rates or {})
        options = {
            "sendgrid_inbound_url": f"{shop.url}/inbound",
            "sendgrid_webhook_url": f"{shop.url}/events",
            "stripe_webhook_url": f"{shop.url}/money",
        }
        vendor.post("/_admin/options", json=options).raise_for_status()
        vendor.post(
            "/_admin/recipients", json={"act": True, "rates": quiet, "fates": {address: fate}}
        ).raise_for_status()
        mail = {
            "personalizations": [{"to": [{"email": address}], "custom_args": {"send_id": "s1"}}], "from": {"email": "ana@mail.leadfactory.example"},
            "reply_to": {"email": "reply+token@mail.leadfactory.example"}, "subject": "Your page",
            "headers": {"List-Unsubscribe": f"<{shop.url}/u/t>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
            "content": [{"type": "text/plain", "value": f"See {shop.url}/a/t or {shop.url}/u/t ."},
                        {"type": "text/html", "value": f'<a href="{shop.url}/a/t">See</a> <a href="{shop.url}/u/t">Stop</a>'}],
        }  # fmt: skip
        vendor.post("/sendgrid/v3/mail/send", headers=SENDGRID, json=mail).raise_for_status()
        wait(lambda: not any(vendor.get("/_admin/outstanding").json().values()), 20)
        return {entry["kind"]: entry["came"] for entry in vendor.get("/_truth/recipients").json()}

    return send


def events(vendor: httpx.Client) -> list[str]:
    return [entry["event"] for entry in vendor.get("/_truth/sendgrid?kind=event").json()]


def stripe_events(vendor: httpx.Client) -> Counter[str]:
    return Counter(event["type"] for event in vendor.get("/stripe/v1/events?limit=100", headers=STRIPE).json()["data"])


def test_a_buyer_goes_from_the_letter_to_the_report(vendor: httpx.Client, shop: Shop, mailed: Any) -> None:
    assert mailed("buy")["visit"] == "paid"
    assert [each[:2] for each in shop.asked if each[1] != "/events" and each[1] != "/money"] == [
        ("GET", "/a/t"), ("POST", "/a/t/checkout"), ("GET", shop.of("GET", "/success")[0][1]), ("GET", "/r/t.pdf"),
    ]  # fmt: skip
    assert stripe_events(vendor)["checkout.session.completed"] == 1
    assert events(vendor) == ["processed", "delivered", "open", "click"]


def test_a_declined_card_is_tried_again_with_another(vendor: httpx.Client, mailed: Any) -> None:
    assert mailed("buy_declined_first") == {"declined": "402", "downloaded": "5 bytes", "visit": "paid"}
    assert stripe_events(vendor)["payment_intent.payment_failed"] == 1


def test_a_buyer_by_bank_pays_later(vendor: httpx.Client, mailed: Any) -> None:
    assert mailed("buy_by_bank")["visit"] == "paid"
    assert stripe_events(vendor)["checkout.session.async_payment_succeeded"] == 1


def test_who_wants_the_money_back_gets_it_from_the_dashboard(vendor: httpx.Client, mailed: Any) -> None:
    assert mailed("refund")["refund"] == "refund 200"
    assert stripe_events(vendor)["charge.refunded"] == 1


def test_a_disputed_card_is_disputed_after_it_was_charged(vendor: httpx.Client, mailed: Any) -> None:
    assert mailed("dispute")["visit"] == "paid"
    assert stripe_events(vendor)["charge.dispute.created"] == 1


def test_who_abandons_the_till_pays_nothing(vendor: httpx.Client, mailed: Any) -> None:
    assert mailed("abandon")["visit"] in ("left the till", "went back, 200")
    assert stripe_events(vendor)["checkout.session.completed"] == 0


def test_a_click_without_a_purchase_opens_no_till(shop: Shop, mailed: Any) -> None:
    assert mailed("click") == {"visit": "read 200"}
    assert shop.of("POST", "/a/") == []


def test_one_click_is_a_post_with_the_body_that_the_standard_names(shop: Shop, mailed: Any) -> None:
    assert mailed("unsubscribe") == {"unsubscribe": "200"}
    ((_, path, body, _),) = shop.of("POST", "/u/")
    assert (path, body) == ("/u/t", "List-Unsubscribe=One-Click")
    assert shop.of("GET", "/u/") == []


def test_by_the_page_is_a_look_and_its_form(shop: Shop, mailed: Any) -> None:
    assert mailed("unsubscribe_page") == {"unsubscribe_page": "200"}
    assert len(shop.of("GET", "/u/")) == 1
    assert shop.of("POST", "/u/")[0][2] == "all=1"


def test_a_scanner_gets_every_link_and_posts_nothing(vendor: httpx.Client, shop: Shop, mailed: Any) -> None:
    assert mailed("ignore", {"prefetch": 1.0}) == {"prefetch": "200 200"}
    assert {each[1] for each in shop.of("GET", "/")} == {"/a/t", "/u/t"}
    assert [each for each in shop.asked if each[0] == "POST" and each[1] not in ("/events",)] == []
    assert events(vendor).count("click") == 2


def test_a_complaint_is_told_and_nothing_is_done(vendor: httpx.Client, mailed: Any) -> None:
    assert mailed("spamreport") == {}
    assert events(vendor) == ["processed", "delivered", "spamreport"]


@pytest.mark.parametrize(
    ("fate", "held"),
    [("reply", "Re: Your page"), ("stop_words", "Re: Your page"), ("out_of_office", "Auto-Submitted: auto-replied")],
)
def test_an_answer_comes_by_inbound_parse(shop: Shop, mailed: Any, fate: str, held: str) -> None:
    assert mailed(fate) == {fate: "written"}
    ((_, _, body, _),) = shop.of("POST", "/inbound")
    assert held in body
    assert 'name="envelope"\r\n\r\n{"to": ["reply+token@mail.leadfactory.example"]' in body


def test_a_dropped_letter_reaches_nobody(vendor: httpx.Client, shop: Shop, mailed: Any) -> None:
    assert mailed("drop") == {}
    assert events(vendor) == ["dropped"]


def test_recipients_keep_still_unless_told_to_act(vendor: httpx.Client) -> None:
    vendor.post("/_admin/reset").raise_for_status()
    assert vendor.get("/_admin/recipients").json()["act"] is False


def test_an_unknown_fate_is_refused_with_the_known_ones(vendor: httpx.Client) -> None:
    refused = vendor.post("/_admin/recipients", json={"fates": {"a@b.example": "dance"}})
    assert refused.status_code == 400
    assert "buy_declined_first" in refused.json()["error"]


def test_a_clock_that_is_moved_by_hand_is_waited_for() -> None:
    with process.start(clock="2026-04-06T15:00:00+00:00") as running, httpx.Client(base_url=running.base_url) as vendor:
        vendor.post("/_admin/clock", json={"now": "2026-04-06T15:00:00+00:00"}).raise_for_status()
        fates = {"reader@shop1.example": "open"}
        vendor.post(
            "/_admin/recipients", json={"act": True, "rates": {"later": 0.0}, "fates": fates}
        ).raise_for_status()
        mail = {
            "personalizations": [{"to": [{"email": "reader@shop1.example"}]}], "from": {"email": "ana@mail.leadfactory.example"},
            "subject": "Your page", "content": [{"type": "text/plain", "value": "Hello"}],
            "headers": {"List-Unsubscribe": "<http://127.0.0.1:9/u/t>"},
        }  # fmt: skip
        vendor.post("/sendgrid/v3/mail/send", headers=SENDGRID, json=mail).raise_for_status()

        def told_until(moment: str) -> list[str]:
            vendor.post("/_admin/clock", json={"now": moment}).raise_for_status()
            wait(lambda: not any(vendor.get("/_admin/due").json().values()), 20)
            return events(vendor)

        assert "open" not in told_until("2026-04-06T15:05:00+00:00")
        assert vendor.get("/_admin/outstanding").json()["recipients"] == 1
        assert told_until("2026-04-06T15:10:00+00:00")[-1] == "open"


@pytest.mark.parametrize("said", [{}, {"now": "noon"}, {"now": "2026-04-06T15:00:00"}])
def test_a_moment_that_is_none_is_refused(vendor: httpx.Client, said: dict[str, str]) -> None:
    assert vendor.post("/_admin/clock", json=said).status_code == 400
