"""The process: one port for vendors, websites, TLS and DNS; clear words when it cannot start; a clean end."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys

import httpx
import pytest

from sandbox import process

KEY = {"authorization": "Bearer sandbox-yelp-key"}


def start_with(*arguments, tmp_path):
    argv = [sys.executable, "-m", "sandbox", "--ca-file", str(tmp_path / "ca.pem"), *arguments]
    return subprocess.run(argv, cwd=process.ROOT, capture_output=True, text=True, timeout=30)


def test_health_tells_the_clock_and_the_seed(api):
    assert api.get("/_health").json() == {"status": "ok", "seed": "demo", "clock": "2026-10-06T15:00:00+00:00"}


def test_vendors_answer_under_their_prefixes(api):
    found = api.get(
        "/yelp/v3/businesses/search", params={"location": "10001", "categories": "restaurants"}, headers=KEY
    )
    assert found.json()["total"] >= 220


@pytest.mark.parametrize(
    "vendor", ["yelp/v3/businesses/search", "openai/v1/models", "stripe/v1/checkout/sessions", "sendgrid/v3/scopes"]
)
def test_a_vendor_refuses_a_call_without_a_key(api, vendor):
    assert api.get("/" + vendor).status_code in {400, 401, 403}


def test_a_taken_port_is_one_line_and_exit_code_2(running, tmp_path):
    ended = start_with("--port", str(running.port), tmp_path=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        f"sandbox: port {running.port} on 127.0.0.1 is taken: stop what listens there or choose another --port"
    ]


def test_an_unknown_fault_is_one_line_and_exit_code_2(tmp_path):
    ended = start_with("--port", "0", "--faults", "gremlins=0.5", tmp_path=tmp_path)
    assert ended.returncode == 2
    assert "gremlins" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_stops_cleanly_and_frees_its_port():
    with process.start(seed="brief") as short:
        port = short.port
    assert short.popen.returncode == 0
    assert not short.ca_file.exists()
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_it_stops_without_a_word_while_visitors_wait(site_like, tmp_path):
    log = tmp_path / "stderr"
    host = site_like(behaviour="timeout").host
    with log.open("w") as stderr, process.start(stderr=stderr) as short:
        address = ("127.0.0.1", short.port)
        request = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        with socket.create_connection(address) as leaving:
            leaving.sendall(request)
        with socket.create_connection(address), socket.create_connection(address) as asking:
            asking.sendall(request)
            httpx.get(f"{short.base_url}/_health")
            short.stop()
    assert (short.popen.returncode, log.read_text()) == (0, "")


def test_a_process_that_does_not_start_raises_its_reason():
    with pytest.raises(RuntimeError, match="did not start"):
        process.start(faults="nonsense", stderr=subprocess.DEVNULL)


def test_the_truth_file_has_one_line_an_entry(tmp_path):
    file = tmp_path / "truth.jsonl"
    with process.start(truth_file=file) as short:
        url = "https://pronto-slice.example/"
        asked = {"url": url, "key": "sandbox-google-key"}
        httpx.get(f"{short.base_url}/pagespeed/pagespeedonline/v5/runPagespeed", params=asked).raise_for_status()
    assert [url in line for line in file.read_text().splitlines()] == [True]


def test_tls_of_a_site_is_signed_by_the_sandboxs_ca(running):
    context = ssl.create_default_context(cafile=str(running.ca_file))
    with (
        socket.create_connection(("127.0.0.1", running.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="pronto-slice.example") as secure,
    ):
        names = [value for kind, value in secure.getpeercert()["subjectAltName"] if kind == "DNS"]
    assert names == ["pronto-slice.example"]


def test_the_certificate_authority_is_new_in_every_process(running):
    with process.start() as other:
        assert other.ca_file.read_text() != running.ca_file.read_text()


def test_one_connection_may_ask_vendor_and_website_in_turn(running):
    with httpx.Client(base_url=running.base_url) as client:
        assert client.get("/_health").status_code == 200
        assert "Pronto Slice" in client.get("/", headers={"host": "pronto-slice.example"}).text


def test_requests_are_counted_by_vendor_endpoint_and_status(api):
    before = api.get("/_truth/_requests").json()
    api.get("/yelp/v3/businesses/search", params={"location": "10001"}, headers=KEY)
    after = api.get("/_truth/_requests").json()
    assert {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key, 0)} == {
        "yelp /v3/businesses/search 200": 1
    }


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8900", "localhost", "[::1]:8900", "[::1]", "sandbox:8900", "172.18.0.3:8900"]
)
def test_addresses_and_names_without_a_dot_lead_to_the_vendors(api, host):
    assert api.get("/_health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["localhost.example", "pronto-slice.example:8900", "www.pronto-slice.example"])
def test_names_with_a_dot_lead_to_the_websites(api, host):
    assert api.get("/_health", headers={"host": host}).status_code == 404


def test_truth_cannot_be_deleted(api):
    assert api.delete("/_truth/yelp").status_code == 405


def test_truth_since_a_number_shows_only_what_came_later(api):
    asked = {"key": "sandbox-google-key", "url": "https://pronto-slice.example/"}
    for _ in range(2):
        api.get("/pagespeed/pagespeedonline/v5/runPagespeed", params=asked).raise_for_status()
    entries = api.get("/_truth/pagespeed").json()
    later = api.get("/_truth/pagespeed", params={"since": entries[-2]["number"], "kind": "run"}).json()
    assert [each["number"] for each in later] == [entries[-1]["number"]]


def test_truth_since_no_number_is_refused_with_the_remedy(api):
    answer = api.get("/_truth/yelp", params={"since": "yesterday"})
    assert (answer.status_code, "number of the last entry" in answer.text) == (400, True)


def test_the_census_agrees_with_the_world(api, world):
    told = api.get("/_truth/world/census/restaurant", params={"location": "10001"}).json()
    people = world.within("10001", "restaurant")
    assert told["businesses"] == len(people)
    assert told["listed_twice"] == len(world.duplicates("10001", "restaurant"))
    assert told["without_site"] == sum(each.host is None for each in people)


def test_the_census_of_an_unknown_vertical_names_the_known(api):
    answer = api.get("/_truth/world/census/spaceships", params={"location": "10001"})
    assert (answer.status_code, "home_services" in answer.text) == (400, True)


def test_the_truth_about_a_site_names_its_defects(api, site_like):
    site = site_like("no_h1")
    told = api.get(f"/_truth/world/sites/{site.host}").json()
    assert (told["defects"], told["behaviour"]) == (sorted(site.defects), "ok")


def test_the_truth_about_a_business_is_its_record(api, world):
    business = world.within("10001", "restaurant")[3]
    told = api.get(f"/_truth/world/business/{business.key}").json()
    assert (told["name"], told["address"]["zip_code"]) == (business.name, "10001")


def test_a_reset_empties_truth_and_faults_and_options():
    with process.start(faults="sendgrid:5xx=1") as short, httpx.Client(base_url=short.base_url) as client:
        client.get("/yelp/v3/businesses/search", params={"location": "10001"}, headers=KEY)
        client.post("/_admin/options", json={"yelp_qps": 1})
        assert client.post("/_admin/reset").json() == {"seed": "demo"}
        assert client.get("/_truth").json() == {}
        assert client.get("/_truth/_requests").json() == {}
        assert client.get("/_admin/options").json() == {}
        assert client.get("/_admin/faults").json() == []


def test_a_reset_with_a_seed_makes_another_world():
    with process.start() as short, httpx.Client(base_url=short.base_url) as client:
        asked = {"params": {"location": "10001", "limit": 5}, "headers": KEY}
        before = client.get("/yelp/v3/businesses/search", **asked).json()["businesses"]
        client.post("/_admin/reset", json={"seed": "other"})
        after = client.get("/yelp/v3/businesses/search", **asked).json()["businesses"]
    assert {each["id"] for each in before}.isdisjoint(each["id"] for each in after)
