"""What a stranger may try at the public pages: other people's links, changed tokens, statements in fields, paths in names."""

from __future__ import annotations

import base64
import time

import pytest
import sqlalchemy as sa

from leadfactory import blobs, edge_rules
from leadfactory.d09_delivery.tables import email_sends, suppressions
from leadfactory.tables import metadata
from leadfactory.tokens import PURPOSES, Tokens

# A letter's own links lead its reader to the pages about himself: these take several purposes, and never another send.
ALSO = {
    "/why/{}": {"landing", "unsubscribe"},
    "/not-my-site/{}": {"landing", "unsubscribe"},
    "/preferences/{}": {"landing", "unsubscribe"},
}
PAGES = {
    "unsubscribe": ["/u/{}"], "landing": ["/a/{}", "/cancel/{}"], "recipient": ["/why/{}", "/not-my-site/{}", "/preferences/{}"],
    "report": ["/r/{}", "/r/{}.pdf"],
}  # fmt: skip
ACTS = {"unsubscribe": ["/u/{}", "/u/{}/not-me"], "recipient": ["/why/{}/delete", "/not-my-site/{}", "/preferences/{}"], "landing": ["/a/{}/checkout"]}  # fmt: skip
STATEMENTS = ["' OR '1'='1", "'; DROP TABLE leadfactory.suppressions; --", "1); SELECT pg_sleep(5); --", "%' UNION SELECT 1 --", "\\'; COMMIT; --"]  # fmt: skip


def signer(world):
    return Tokens(world.settings.signing_keys.get_secret_value())


def counts(world):
    with world.db.begin() as tx:
        return {
            table.name: tx.scalar(sa.select(sa.func.count()).select_from(table))
            for table in metadata.sorted_tables
            if table.name not in {"auth_failures", "webhook_refusals", "report_accesses"}
        }


@pytest.mark.parametrize("purpose", sorted(PURPOSES))
def test_a_link_opens_only_what_it_was_made_for(world, purpose):
    token = signer(world).sign(purpose, world.send()[0])
    for other, paths in {**PAGES, "acts": []}.items():
        for path in paths:
            if other != purpose and purpose not in ALSO.get(path, ()):
                assert world.client.get(path.format(token)).status_code == 404, path
    before = counts(world)
    for other, paths in ACTS.items():
        for path in paths:
            if other != purpose and purpose not in ALSO.get(path.removesuffix("/delete"), ()):
                data = {"immediate_delivery": "yes", "choice": "none"}
                assert world.client.post(path.format(token), data=data).status_code == 404, path
    assert counts(world) == before


def test_no_change_of_a_token_makes_another_one_that_is_good(world):
    token = signer(world).sign("unsubscribe", world.send()[0])
    raw = base64.urlsafe_b64decode(token + "==")
    for place in range(len(raw)):
        changed = bytes(byte ^ (0x01 if at == place else 0) for at, byte in enumerate(raw))
        forged = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        assert world.client.post(f"/u/{forged}").status_code == 404, place
    assert world.all(suppressions) == []


def test_a_link_stops_its_own_recipient_and_nobody_else(world):
    (mine, _), (other, _) = world.send(1), world.send(2)
    assert world.client.post(world.link(mine)).status_code == 200
    with world.db.begin() as tx:
        hmac = sa.select(email_sends.c.address_hmac).where(email_sends.c.send_id == other)
        theirs = bytes(tx.scalar(hmac))
    assert theirs not in {bytes(row.subject_hmac) for row in world.all(suppressions)}


def test_a_sends_id_is_no_link(world):
    send_id, _ = world.send()
    for name in (str(send_id), send_id.hex, base64.urlsafe_b64encode(send_id.bytes).decode().rstrip("=")):
        for paths in PAGES.values():
            for path in paths:
                assert world.client.get(path.format(name)).status_code == 404


@pytest.mark.parametrize("said", STATEMENTS)
def test_a_statement_in_a_field_is_a_value(world, said):
    world.client.post(world.link(world.send()[0]))
    before, began = counts(world), time.monotonic()
    client = world.client
    mine = signer(world).sign("recipient", world.send(2)[0])
    before = counts(world)
    for answer in (
        client.get("/u/" + said), client.get("/a/" + said), client.get("/success", params={"session_id": "cs_" + said}),
        client.post("/reports/lost", data={"email": f"{said}@shop.example"}), client.post("/login", data={"key": "lfk_" + said}),
        client.post(f"/preferences/{mine}", data={"choice": said}), client.get("/review", params={"campaign": said, "state": said}),
        client.get("/terms", headers={"x-api-key": said.encode().decode("latin-1"), "user-agent": said}),
    ):  # fmt: skip
        assert answer.status_code in {200, 303, 400, 401, 404, 503}
    assert counts(world) == before
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["../../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "sample-cover.png/../../app.py", "%2e%2e/app.py", "/etc/passwd"])  # fmt: skip
def test_a_path_in_a_pictures_name_leads_nowhere(world, name):
    answer = world.client.get(f"/static/x/{name}")
    assert answer.status_code == 404
    assert not any(word in answer.text for word in ("root:", "import "))


@pytest.mark.parametrize("digest", ["../../etc/passwd", "..", "a" * 63, "A" * 64, "a" * 64 + "/x", "g" * 64, "", "a" * 62 + "/."])  # fmt: skip
def test_a_path_instead_of_a_hash_reads_no_file(tmp_path, digest):
    (tmp_path / "secret").write_text("secret")
    with pytest.raises((ValueError, FileNotFoundError)):
        blobs.get(str(tmp_path), digest)


def test_who_guesses_links_is_held_up(world):
    from starlette.testclient import TestClient

    stranger = TestClient(world.client.app, client=("203.0.113.50", 1))
    rate, began = edge_rules.rules().address, time.monotonic()
    answers: list[int] = []
    while set(answers) <= {404} and len(answers) < 1_000:
        answers.append(stranger.get(f"/r/{len(answers):046d}").status_code)
    assert answers[-1] == 429
    assert rate.burst < len(answers) <= rate.burst + (time.monotonic() - began) * rate.a_minute / 60 + 2


@pytest.mark.parametrize("said", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "javascript:alert(1)", "{{ 7*7 }}"])  # fmt: skip
def test_what_is_sent_to_a_form_is_not_shown_as_markup(world, said):
    for answer in (
        world.client.post("/login", data={"key": said, "next": said}, headers={"accept": "text/html"}),
        world.client.get("/login", params={"next": said}),
        world.client.post("/reports/lost", data={"email": said}),
        world.client.get("/success", params={"session_id": said}),
        world.client.get("/review", params={"campaign": said}, headers={"accept": "text/html"}),
    ):
        assert said not in answer.text
        assert 'value="49"' not in answer.text
