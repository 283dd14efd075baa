"""One simulated day after the other, through the rooms' own functions: a night, its letters, what people do, what money asks for."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from collections.abc import Callable

import sqlalchemy as sa

from cli.simulating.script import Event, Quarter
from cli.simulating.world import World
from leadfactory import stage
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns

NIGHT_AT, AGAIN_AT = dt.time(2), dt.time(14)
# New York and Chicago work by 15:00 UTC, Los Angeles by 18:00; people come to their mail in between and in the evening.
SENDS_AT = (dt.time(15), dt.time(18))
LOOKS_AT = (dt.time(16), dt.time(19), dt.time(23, 30))
OPERATOR = "simulated operator"
PLACES_AT_ONCE = 2  # that a campaign searches
Told = Callable[[int, str], None]


class Player:
    """Plays a script in a world; ``happened`` counts what was out of the ordinary."""

    def __init__(self, world: World, quarter: Quarter) -> None:
        self._world, self._quarter = world, quarter
        self.happened: Counter[str] = Counter()

    def prepare(self) -> None:
        """Seeds and launches the campaigns, loads the experiments, tells recipients how they are."""
        now = self._world.now
        with self._world.db.begin() as tx:
            for name, each in self._quarter.campaigns.items():
                sender = self._quarter.senders[each.sender]
                first = [campaigns.PlaceSpec("zip", each.zips[0])]
                campaigns.seed(tx, vertical=each.vertical, places=first, quota=each.quota, name=name, now=now)
                campaigns.configure(
                    tx, name, consent_basis="simulated", sender_email=sender.email, sender_name=sender.name,
                    postal_address=self._quarter.postal_address, budget_cents=500_000, top_share=1.0,
                )  # fmt: skip
                campaigns.launch(tx, name, now)
        domains = [each.email.rpartition("@")[2] for each in self._quarter.senders.values()]
        self._world.ask("options", sendgrid_senders=domains)
        self._world.ask("recipients", act=True, rates=self._quarter.rates)

    def play(self, days: int, told: Told) -> None:
        """The days in order; ``told`` hears of each before it begins."""
        first = self._quarter.starts_on
        for number in range(1, days + 1):
            day = first + dt.timedelta(days=number - 1)
            told(number, f"{day:%a %Y-%m-%d}")
            self._day(number, day)
        self._move(first + dt.timedelta(days=days), dt.time(1))

    def _day(self, number: int, day: dt.date) -> None:
        outages = self._quarter.now("vendor_outage", number)
        self._spike(number)
        self._move(day, NIGHT_AT)
        self._judge_halts()
        self._aim()
        self._start_weak_experiments()
        for each in outages:
            self._world.ask("faults", vendor=each.vendor, kind="5xx", rate=1.0)
            self.happened["days of vendor outage"] += 1
        self._night(day)
        if outages:
            self._back_in_the_afternoon(number, day, outages)
        at = sorted({*SENDS_AT, *LOOKS_AT})
        for moment in at:
            self._move(day, moment)
            if moment in SENDS_AT:
                self._send()
                self._world.settle()
            else:
                self._fold()
        if any(each.from_day == number for each in self._quarter.events if each.kind == "refund_wave"):
            self._refund_wave(number)
            self._fold()
        self._read_out()

    def _move(self, day: dt.date, at: dt.time) -> None:
        self._world.move(dt.datetime.combine(day, at, tzinfo=dt.UTC))

    # -- the factory --------------------------------------------------------------------------------------------------

    def _night(self, day: dt.date) -> None:
        with self._world.db.begin() as tx:
            active = campaigns.active(tx, day)
        for name in active:
            for each in stage.NIGHT:
                stage.run(each, CampaignDay(name, day), self._world.db, self._world.config)

    def _send(self) -> None:
        from leadfactory.d09_delivery import sending
        from leadfactory.d09_delivery.mailer import PostOffice

        w = self._world
        with w.db.begin() as tx:
            due = sending.count_due(tx, w.now)
        if due:
            asyncio.run(
                sending.send_all_due(
                    db=w.db, clock=w.hand, settings=w.config, mailer=PostOffice.of(w.config), dry_run=False
                )
            )

    def _fold(self) -> None:
        """What waits in the inbox, and what payments ask for, until both are quiet: a report's mail is read too."""
        from leadfactory.d06_reports import paid_work
        from leadfactory.d07_storefront import reporting
        from leadfactory.d09_delivery import event_reports
        from leadfactory.inbox import waiting

        w = self._world
        for _ in range(6):
            with w.db.begin() as tx:
                more = waiting.look(tx).any
            if more:
                event_reports.drain(db=w.db, clock=w.hand)
                reporting.drain(db=w.db, clock=w.hand, settings=w.config)
            with w.db.begin() as tx:
                paid = paid_work.count_due(tx)
            if paid:
                stage.run("paid", self._any_unit(), w.db, w.config)
            if not more and not paid:
                return
            w.settle()

    def _any_unit(self) -> CampaignDay:
        return CampaignDay(next(iter(self._quarter.campaigns)), self._quarter.starts_on)

    def _read_out(self) -> None:
        from leadfactory.d11_experiments import reading

        reading.read_all(db=self._world.db, clock=self._world.hand)

    # -- the operator -------------------------------------------------------------------------------------------------

    def _judge_halts(self) -> None:
        """In the morning somebody looks at what was stopped, and lets it go on."""
        from leadfactory.d09_delivery import halting
        from leadfactory.inbox import audit

        with self._world.db.begin() as tx:
            for row in halting.listed(tx):
                why = f"looked at it: {row['detail']}; the addresses are suppressed"
                halting.resume(tx, row["halt_id"], by=OPERATOR, why=why, now=self._world.now)
                audit.note(tx, "operator", "resume", self._world.now, halt_id=row["halt_id"], rule=row["rule"])
                self.happened[f"halts for {row['rule'].replace('_', ' ')}"] += 1

    def _aim(self) -> None:
        """What is searched to its end is rested, and the next places of the script take its turn: a search of every place on every
        night would buy the same pages for two businesses each."""
        from leadfactory.d01_targeting import aims

        with self._world.db.begin() as tx:
            for name, each in self._quarter.campaigns.items():
                row, known = campaigns.get(tx, name), {target["place"]: target for target in aims.of(tx, name)}
                for place, target in known.items():
                    if target["active"] and target["exhausted_at"] is not None:
                        aims.change(tx, row, place, active=False)
                left = PLACES_AT_ONCE - sum(t["active"] and t["exhausted_at"] is None for t in known.values())
                fresh = [campaigns.PlaceSpec("zip", code) for code in each.zips if code not in known][: max(0, left)]
                if fresh:
                    aims.add(tx, row, fresh, quota=each.quota, now=self._world.now)

    def _start_weak_experiments(self) -> None:
        """At this volume every honest test takes long; somebody says that it may."""
        from leadfactory.d11_experiments import definitions, launches

        with self._world.db.begin() as tx:
            definitions.load(tx, definitions.read(), self._world.now)
            drafts = tx.scalars(
                sa.text("SELECT experiment FROM experiments WHERE state = 'draft' AND accepted_weak_at IS NULL")
            )
            for name in drafts.all():
                launches.accept_weak(tx, name, OPERATOR, self._world.now)

    # -- what goes wrong ----------------------------------------------------------------------------------------------

    def _spike(self, number: int) -> None:
        spikes = self._quarter.now("bounce_spike", number)
        rate = max((each.rate for each in spikes), default=self._quarter.rates["bounce"])
        self._world.ask("recipients", rates={"bounce": rate})
        self.happened["days of bounce spike"] += bool(spikes)

    def _back_in_the_afternoon(self, number: int, day: dt.date, outages: list[Event]) -> None:
        """The vendor is back; on all but an outage's last day the night's open rows are filled on the same day."""
        self._world.calm()
        self._move(day, AGAIN_AT)
        if any(each.last_day != number for each in outages):
            for _ in range(
                2
            ):  # the first finds the breaker's one probe out and most rows refused, the second fills them
                self._night(day)

    def _refund_wave(self, number: int) -> None:
        """Many buyers of the last weeks want their money back, and get it as the command gives it."""
        from leadfactory.d07_storefront import refunds

        wave = next(each for each in self._quarter.events if each.kind == "refund_wave" and each.from_day == number)
        since = self._world.now - dt.timedelta(days=wave.of_last_days)
        bought = "SELECT purchase_id FROM purchases WHERE state = 'paid' AND paid_at >= :since ORDER BY paid_at DESC"
        with self._world.db.begin() as tx:
            found = tx.scalars(sa.text(bought), {"since": since}).all()
            for purchase in found[: -(-len(found) * round(wave.share * 100) // 100)]:
                refunds.plan(tx, purchase, reason="requested_by_customer", requested_by=OPERATOR, now=self._world.now)
                self.happened["refunds of the wave"] += 1
