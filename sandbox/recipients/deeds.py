"""What recipients and their scanners do: visits, purchases, ways out and answers, over HTTP as a person would.

Every deed ends in the truth log under the vendor ``recipients``, with what came of it; a deed that failed says why.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from sandbox.recipients import answers
from sandbox.recipients.browser import Browser, NotOurs, Page, authorities
from sandbox.recipients.letter import Letter
from sandbox.recipients.script import AGENT, SCANNERS
from sandbox.recipients.temper import Temper
from sandbox.vendors.wire import accepted, digest, hex_token

TO_THE_TILL = ("checkout", "buy", "order", "get the", "get your")
NO_MORE = ("unsubscribe", "stop", "opt out", "/u/")
NUMBERS = {"card": "4242424242424242", "disputed": "4000000000000259", "declined_first": "4000000000000002"}
_ONE_CLICK = {"List-Unsubscribe": "One-Click"}


class Desk(Protocol):
    """Where an answer by mail goes."""

    def post(self, answer: answers.Answer) -> None: ...


@dataclasses.dataclass
class Person:
    """One recipient with one letter, in one mood."""

    sandbox: Any
    letter: Letter
    temper: Temper
    parse: Desk
    paid: str = ""  # the checkout session that this person has paid
    till: str = ""  # where Stripe's API is, as the hosted page's address tells

    def do(self, deed: str) -> None:
        """Does it and notes what came of it; never raises for what the other side does."""
        deeds: dict[str, Callable[[], str]] = {
            "prefetch": self._prefetch, "visit": self._visit, "unsubscribe": self._unsubscribe, "unsubscribe_page": self._unsubscribe_page,
            "reply": lambda: self._write("reply"), "stop_words": lambda: self._write("stop_words"),
            "out_of_office": lambda: self._write("out_of_office"), "refund": self._refund, "read_report": self._read_report,
        }  # fmt: skip
        try:
            came = deeds[deed]()
        except NotOurs as error:
            came = f"not followed: {error}"
        except httpx.HTTPError as error:
            came = f"failed: {type(error).__name__}"
        self._note(deed, came)

    def _note(self, deed: str, came: str) -> None:
        where = hex_token("deed", self.letter.message_id, self.letter.address, deed, length=16)
        accepted(
            self.sandbox,
            "recipients",
            deed,
            where,
            to=self.letter.address,
            came=came,
            message_id=self.letter.message_id,
        )

    def _prefetch(self) -> str:
        """A scanner GETs every link and posts nothing."""
        statuses = []
        agent = SCANNERS[digest("scanner", self.letter.address)[0] % len(SCANNERS)]
        with Browser(agent) as browser:
            for link in self.letter.links:
                try:
                    statuses.append(str(browser.get(link).status))
                except NotOurs:
                    statuses.append("elsewhere")
        return " ".join(statuses)

    def _visit(self) -> str:
        with Browser(AGENT) as browser:
            page = browser.get(self.letter.main_link or "")
            if not self.temper.order:
                return f"read {page.status}"
            form = page.form(*TO_THE_TILL)
            if form is None:
                return f"found no till, {page.status}"
            till = browser.submit(page, form)
            if till.form("pay") is None:
                return f"came to no till, {till.status}"
            if self.temper.order == "abandon":
                return self._leave(browser, till)
            return self._pay(browser, till)

    def _leave(self, browser: Browser, till: Page) -> str:
        """Half of those who leave go back to the shop, half close the window."""
        back = next((href for href, words in till.links if "back" in words.lower()), None)
        if back is None or digest("leaves", self.letter.address)[0] % 2:
            return "left the till"
        return f"went back, {browser.get(back).status}"

    def _pay(self, browser: Browser, till: Page) -> str:
        self.till, _, self.paid = till.url.rpartition("/pay/")
        bank = self.temper.means == "bank"
        number = NUMBERS.get(self.temper.means, NUMBERS["card"])
        after = self._enter(browser, till, "bank" if bank else "card", number)
        if self.temper.means == "declined_first" and after.status == 402:
            self._note("declined", "402")
            after = self._enter(browser, after, "card", NUMBERS["card"])
        if after.status >= 400:
            return f"paid, then {after.status}"
        report = next((href for href, _ in after.links if urlsplit(href).path.endswith(".pdf")), None)
        if report is not None:
            report = str(httpx.URL(after.url).join(report))
            self._note("downloaded", f"{browser.get(report).size} bytes")
        return "paid"

    def _enter(self, browser: Browser, till: Page, method: str, number: str) -> Page:
        form = till.form("pay")
        if form is None:
            return till
        filled = {"email": form.fields.get("email") or self.letter.address, "name": "A. Customer", "method": method}
        filled |= (
            {"card": number, "expiry": "12 / 34", "cvc": "123"}
            if method == "card"
            else {"account": "000123456789", "card": ""}
        )
        return browser.submit(till, form, **filled)

    def _unsubscribe(self) -> str:
        """What a mail program does for its one-click button (RFC 8058)."""
        with Browser("Mozilla/5.0 (compatible; mail)") as browser:
            return str(browser.post(self.letter.unsubscribe_url or "", _ONE_CLICK).status)

    def _unsubscribe_page(self) -> str:
        with Browser(AGENT) as browser:
            page = browser.get(self.letter.unsubscribe_url or "")
            form = page.form(*NO_MORE)
            return f"found no button, {page.status}" if form is None else str(browser.submit(page, form).status)

    def _write(self, kind: str) -> str:
        self.parse.post(answers.answer(kind, self.letter))
        return "written"

    def _read_report(self) -> str:
        with Browser(AGENT) as browser:
            page = browser.get(self.letter.main_link or "")
            report = next((href for href, _ in page.links if urlsplit(href).path.endswith(".pdf")), None)
            if report is None:
                return f"read {page.status} {page.media_type}"
            found = browser.get(str(httpx.URL(page.url).join(report)))
            return f"read {page.status}, downloaded {found.status} {found.media_type} {found.size} bytes"

    def _refund(self) -> str:
        """Asks the shop, whose clerk gives the money back in Stripe's dashboard: through the same API, under the same key."""
        if not self.paid:
            return "had paid nothing"
        key = {"Authorization": f"Bearer {sorted(self.sandbox.keys['stripe'])[0]}"}
        with httpx.Client(base_url=self.till, headers=key, timeout=20, trust_env=False, verify=authorities()) as clerk:
            session = clerk.get(f"/v1/checkout/sessions/{self.paid}").raise_for_status().json()
            asked = {"payment_intent": session["payment_intent"] or "", "reason": "requested_by_customer"}
            done = clerk.post("/v1/refunds", data=asked, headers={"Idempotency-Key": f"dashboard-{self.paid}"})
        return f"refund {done.status_code}"
