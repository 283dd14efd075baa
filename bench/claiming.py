"""Sends a second: claim, gates, journal and settlement with a mailer that does nothing, and over HTTP beside a bare httpx loop.

Run: ``python -m bench.claiming [--sends 4000] [--posts 1500]``. The ledger holds planned sends whose every gate is open, of as many
senders as their caps ask for. The first figure is the whole run of the sender over a mailer that answers at once. The second runs
over the real SendGrid client and gateway against a server process that answers 202; the bare loop posts the same bodies to the same
server, as many at once, in the same minute. Postgres and the journal are on disk with their default durability. Beside each figure
stands the processor time of a send, of this process and of Postgres, which a machine with other work on it distorts less; the same goes for
the share of the bare loop, told by the clock on the wall and in processor time. The tables grow from round to round, so the slowest
round and the middle share count, not the best.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import datetime as dt
import multiprocessing
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil
import sqlalchemy as sa

from bench import results
from leadfactory import migrate
from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.mail import Mail
from leadfactory.d00_gateway.policies import Policies
from leadfactory.d00_gateway.sendgrid import SendGridClient, message
from leadfactory.d01_targeting.tables import campaigns
from leadfactory.d03_assessment.tables import site_audits
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.d08_personalization.draft_guard import content_hash
from leadfactory.d08_personalization.tables import email_drafts
from leadfactory.d09_delivery import sending, suppression
from leadfactory.d09_delivery.identity import send_id
from leadfactory.d09_delivery.policy import policy
from leadfactory.d09_delivery.tables import email_sends
from leadfactory.database import Database
from leadfactory.embedded import ensure_running, stop
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.quality.tables import quality_verdicts
from leadfactory.settings import Settings
from leadfactory.tokens import Tokens

TUESDAY = dt.datetime(2026, 10, 6, 15, 0, tzinfo=dt.UTC)
CLOCK = Clock(start=TUESDAY)
ADDRESS = "LeadFactory, 500 Example Plaza, Wilmington, DE 19801"
ANSWER = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: bench\r\ncontent-length: 0\r\n\r\n"
GOAL_PER_S, GOAL_SHARE, ROUNDS = 1_000, 0.7, 3
TEXT = "The main page of your website took {number} hundredths of a second to show its largest part on a phone. " * 8


def serve(told: Connection) -> None:
    """A minimal HTTP server that tells its port and answers every post with 202."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
                await reader.readexactly(int(length or 0))
                writer.write(ANSWER)
                await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        told.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


def fill(db: Database, settings: Settings, sends: int, batch: str) -> None:
    """Planned sends whose every gate is open, and all that the gates look at."""
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    tokens = Tokens(settings.signing_keys.get_secret_value())
    tables: dict[sa.Table, list[dict[str, Any]]] = {
        table: [] for table in (campaigns, enriched_businesses, site_audits, email_drafts, quality_verdicts, email_sends)
    }  # fmt: skip
    for number in range(sends):
        campaign = f"{batch}-{number // (policy().sender_cap_per_day - 10)}"
        sender = f"ana@{campaign}.example"
        business = uuid.uuid5(uuid.NAMESPACE_OID, f"{campaign}:{number}")
        cohort = {"campaign": campaign, "cohort_on": TUESDAY.date(), "business_id": business}
        if not tables[campaigns] or tables[campaigns][-1]["campaign"] != campaign:
            tables[campaigns].append({
                "campaign": campaign, "vertical": "restaurant", "state": "launched", "daily_quota": 1_000, "top_share": 1,
                "starts_on": TUESDAY.date(), "consent_basis": "simulated", "sender_email": sender, "sender_name": "Ana Ruiz",
                "postal_address": ADDRESS, "budget_cents": 100_000, "created_at": TUESDAY,
            })  # fmt: skip
        host, draft, send = f"{batch}-shop{number}.example", uuid.uuid4(), send_id(campaign, business, 1)
        address, link = f"info@{host}", f"{settings.public_url.rstrip('/')}/u/{tokens.sign('unsubscribe', send)}"
        words = f"{TEXT.format(number=number)}\nAna Ruiz\n{ADDRESS}\n{link}"
        parts = (f"Your website, measured {number}", "What we found", f"<p>{words}</p>", words)
        tables[enriched_businesses].append(cohort | {
            "status": "ok", "place_match": "matched", "site_host": host, "site_domain_hmac": hashes.domain(host), "contact_email": address,
            "contact_email_hmac": hashes.address(address), "contact_email_check": "accepted", "country": "US",
            "timezone": "America/New_York", "fetched_at": TUESDAY,
        })  # fmt: skip
        tables[site_audits].append(cohort | {
            "audit_id": uuid.uuid4(), "status": "ok", "fetched_at": TUESDAY, "expires_at": TUESDAY + dt.timedelta(days=14),
        })  # fmt: skip
        tables[email_drafts].append(cohort | {
            "draft_id": draft, "status": "drafted", "subject": parts[0], "preview": parts[1], "body_html": parts[2], "body_text": parts[3],
            "facts": {}, "wording": "rules", "template_version": "bench", "content_hash": content_hash(*parts), "drafted_at": TUESDAY,
        })  # fmt: skip
        tables[quality_verdicts].append({
            "asset": "email_drafts", "campaign": campaign, "cohort_on": TUESDAY.date(), "subject_id": draft, "suite": "bench",
            "suite_version": "1", "input_hash": content_hash(*parts), "passed": True, "evaluated": 1, "judged_at": TUESDAY,
        })  # fmt: skip
        tables[email_sends].append(cohort | {
            "send_id": send, "step": 1, "draft_id": draft, "address_hmac": hashes.address(address),
            "address_plus_hmac": hashes.address_plus_stripped(address), "domain_hmac": suppression.domain_hmac(hashes, address),
            "sender_email": sender, "timezone": "America/New_York", "due_at": TUESDAY, "expires_at": TUESDAY + dt.timedelta(days=3),
            "planned_at": TUESDAY,
        })  # fmt: skip
    with db.begin() as tx:
        suppression.establish_key(tx, hashes, TUESDAY)
        for table, rows in tables.items():
            tx.execute(sa.insert(table), rows)
        for name in ("email_sends", "email_drafts", "enriched_businesses", "site_audits", "quality_verdicts"):
            tx.execute(sa.text(f"ANALYZE {name}"))


class Nothing:
    """A mailer that takes every mail at once, behind a gateway that counts nothing."""

    name = "nothing"

    def __init__(self) -> None:
        self.gateway: Any = self

    @contextlib.asynccontextmanager
    async def running(self, **_: object) -> AsyncIterator[Any]:
        yield SimpleNamespace(calls=0, spend_microusd=0)

    @contextlib.contextmanager
    def about(self, business_id: uuid.UUID) -> Iterator[None]:
        yield

    async def send(self, mail: Mail) -> str:
        return "taken"


class Noted:
    """A mailer that keeps what it hands on, so that the bare loop posts the same."""

    def __init__(self, mailer: SendGridClient) -> None:
        self.name, self.gateway, self._mailer = mailer.name, mailer.gateway, mailer
        self.mails: list[Mail] = []

    async def send(self, mail: Mail) -> str:
        self.mails.append(mail)
        return await self._mailer.send(mail)


@dataclasses.dataclass(frozen=True)
class Pace:
    """Sends a second by the clock on the wall, and milliseconds of processor time of one: of this process, and of Postgres."""

    per_s: float
    own_ms: float
    postgres_ms: float

    def __str__(self) -> str:
        return f"{self.per_s:6.0f}/s ({self.own_ms:.2f} + {self.postgres_ms:.2f} ms)"


def postgres_cpu_s(home: Path) -> float:
    """Processor time of the embedded server so far, of its backends that have ended too."""
    master = psutil.Process(int(next(home.rglob("postmaster.pid")).read_text().split()[0]))
    spent = master.cpu_times()
    total = spent.user + spent.system + spent.children_user + spent.children_system
    for backend in master.children():
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(backend.cpu_times()[:2])
    return total


def sent(db: Database, settings: Settings, mailer: Any, sends: int) -> Pace:
    """The whole run of the sender."""
    own, theirs, began = time.process_time(), postgres_cpu_s(settings.home), time.perf_counter()
    reports = asyncio.run(sending.send_all_due(db=db, clock=CLOCK, settings=settings, mailer=mailer, dry_run=False))
    took = time.perf_counter() - began
    handed_over = sum(report.counts["handed over"] for report in reports)
    assert handed_over == sends, f"{handed_over} of {sends} sends left: {[report.counts for report in reports]}"
    own, theirs = time.process_time() - own, postgres_cpu_s(settings.home) - theirs
    return Pace(sends / took, 1000 * own / sends, 1000 * theirs / sends)


async def bare_loop(url: str, bodies: list[dict[str, object]], at_once: int) -> Pace:
    """A loop that posts the bodies and does nothing else."""
    left = iter(bodies)
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=at_once), trust_env=False) as client:

        async def worker() -> None:
            for body in left:
                (await client.post(url, json=body, headers={"Authorization": "Bearer x"})).raise_for_status()

        own, began = time.process_time(), time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(at_once)))
        took, own = time.perf_counter() - began, time.process_time() - own
        return Pace(len(bodies) / took, 1000 * own / len(bodies), 0.0)


def without_limits(settings: Settings) -> Policies:
    """The installation's policies with a rate and a number of connections that the bench does not exhaust."""
    found = Policies.for_settings(settings)
    vendor = found.of("sendgrid")
    rates = vendor.rates.model_copy(update={"minute": 10_000_000})
    mine = vendor.model_copy(update={"rates": rates, "concurrency": policy().calls_at_once})
    return found.model_copy(update={"vendors": found.vendors | {"sendgrid": mine}})


@dataclasses.dataclass(frozen=True)
class Found:
    """Sends a second: over a mailer that does nothing, over HTTP, and of the bare loop."""

    nothing: Pace
    http: Pace
    bare: Pace

    @property
    def share(self) -> float:
        """Of the bare loop's pace."""
        return self.http.per_s / self.bare.per_s

    @property
    def cpu_share(self) -> float:
        """What a bare post costs of what a send costs, Postgres' part of it included."""
        return self.bare.own_ms / (self.http.own_ms + self.http.postgres_ms)


def measure(sends: int, posts: int) -> list[Found]:
    """Each side once a round, interleaved."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    base = f"http://127.0.0.1:{ours.recv()}"
    with tempfile.TemporaryDirectory(prefix="lf-bench-") as home:
        settings = Settings(env="test", home=Path(home))
        settings.sendgrid_base_url = base
        migrate.upgrade(settings)
        db = Database(ensure_running(Path(home)).url("app"))
        rounds = []
        try:
            for number in range(ROUNDS):
                fill(db, settings, sends, f"idle{number}")
                idle = sent(db, settings, Nothing(), sends)
                fill(db, settings, posts, f"http{number}")
                gateway = Gateway(db, clock=CLOCK, settings=settings, policies=without_limits(settings))
                noted = Noted(SendGridClient(gateway, settings))
                http = sent(db, settings, noted, posts)
                bodies = [message(mail) for mail in noted.mails]
                bare = asyncio.run(bare_loop(f"{base}/v3/mail/send", bodies, policy().calls_at_once))
                rounds.append(Found(idle, http, bare))
            return rounds
        finally:
            db.dispose()
            stop(Path(home))
            server.terminate()
            server.join()


def main() -> None:
    """Prints the figures and writes them beside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sends", type=int, default=4_000)
    parser.add_argument("--posts", type=int, default=1_500)
    asked = parser.parse_args()
    rounds = measure(asked.sends, asked.posts)
    nothing = min(each.nothing.per_s for each in rounds)
    share = statistics.median(each.share for each in rounds)
    cpu_share = statistics.median(each.cpu_share for each in rounds)
    for each in rounds:
        print(
            f"claim + gates + settle {each.nothing} · over HTTP {each.http}, bare loop {each.bare}, "
            f"share {each.share:.2f}, in processor time {each.cpu_share:.2f}",
            flush=True,
        )
    ratios = [
        {"name": f"claim + gates + settle, of {GOAL_PER_S} a second", "ratio": round(nothing / GOAL_PER_S, 3), "goal": 1.0},
        {"name": "sends over HTTP / bare httpx loop", "ratio": round(share, 3), "goal": GOAL_SHARE},
        {"name": "the same in processor time, with Postgres'", "ratio": round(cpu_share, 3), "goal": GOAL_SHARE},
    ]  # fmt: skip
    results.write("claiming", ratios, rounds=[dataclasses.asdict(each) for each in rounds])


if __name__ == "__main__":
    main()
