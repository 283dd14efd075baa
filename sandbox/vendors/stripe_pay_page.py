"""The stand-in for Stripe's hosted checkout page: what the buyer sees, and the form that pays."""

from __future__ import annotations

import datetime as dt
import html
import re

from sandbox.vendors.wire import Json

BANK_FAILS = "000111111116"  # Stripe's test account whose debit does not go through
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><link rel="icon" href="data:,"><title>{title}</title>
<style>
*{{box-sizing:border-box}}
body{{font:16px/1.5 system-ui,sans-serif;color:#1a1f36;background:#f6f8fa;margin:0}}
main{{max-width:27rem;margin:0 auto;padding:1.5rem 1rem 3rem}}
.test{{background:#7a3d00;color:#fff;text-align:center;padding:.4rem 1rem;margin:0;font-size:.9rem}}
h1{{font-size:1.4rem;margin:.5rem 0}}h2{{font-size:1.05rem;margin:1.5rem 0 .5rem}}
ul{{list-style:none;margin:0;padding:0}}li,.total{{display:flex;justify-content:space-between;gap:1rem}}
.total{{font-weight:600;border-top:1px solid #c1c9d2;margin-top:.5rem;padding-top:.5rem}}
form{{background:#fff;border:1px solid #c1c9d2;border-radius:8px;padding:1rem;margin-top:1rem}}
fieldset{{border:0;margin:0;padding:0}}legend{{font-weight:600;padding:0}}
label{{display:block;margin:.75rem 0 .2rem}}.choice{{display:flex;gap:.5rem;align-items:center;margin:.4rem 0;min-height:1.6rem}}
input:not([type=radio]){{width:100%;font:inherit;padding:.6rem;border:1px solid #697386;border-radius:6px}}
.two{{display:grid;grid-template-columns:1fr 1fr;gap:.75rem}}.hint{{color:#4f566b;font-size:.9rem;margin:.2rem 0 0}}
button{{width:100%;font:inherit;font-weight:600;color:#fff;background:#0a5c36;border:0;border-radius:6px;padding:.8rem;margin-top:1.25rem}}
:focus-visible{{outline:3px solid #1a56db;outline-offset:2px}}
[role=alert]{{background:#fdecea;border-left:4px solid #b3261e;padding:.6rem .8rem;margin:1rem 0}}a{{color:#0b4fb3}}
</style></head>
<body><header class="test">Test mode: no money moves</header><main>{content}</main></body></html>
"""


class Incomplete(ValueError):
    """What the buyer entered cannot be a means of payment; the message is for the buyer."""


def open_page(session: Json, items: list[Json], problem: str = "", entered: dict[str, str] | None = None) -> str:
    """The page of an open session; ``problem`` tells why the last attempt failed, ``entered`` is kept but for the numbers."""
    kept = entered or {}
    lines = "".join(
        f"<li><span>{html.escape(item['description'])} × {item['quantity']}</span> <span>{money(item['amount_total'], item['currency'])}</span></li>"
        for item in items
    )
    total = money(session["amount_total"], session["currency"])
    alert = f'<p role="alert" id="problem">{html.escape(problem)}</p>' if problem else ""
    back = (
        f'<p><a href="{html.escape(session["cancel_url"])}">Back to the shop</a></p>' if session["cancel_url"] else ""
    )
    by_bank = kept.get("method") == "bank"
    return _PAGE.format(
        title=f"{'Error: ' if problem else ''}Pay {total}",
        content=f"""{back}<h1>Pay {total}</h1><h2>Your order</h2><ul>{lines}</ul>
<p class="total"><span>Total</span> <span>{total}</span></p>{alert}
<form method="post" action="{html.escape(session["id"])}">
<label for="email">E-mail</label>
<input id="email" name="email" type="email" required autocomplete="email" value="{html.escape(kept.get("email") or session["customer_email"] or "")}">
<label for="name">Name</label>
<input id="name" name="name" required autocomplete="cc-name" value="{html.escape(kept.get("name", ""))}">
<fieldset><legend>Pay by</legend>
<div class="choice"><input type="radio" id="by-card" name="method" value="card"{"" if by_bank else " checked"}>
<label for="by-card" style="margin:0">Card</label></div>
<div class="choice"><input type="radio" id="by-bank" name="method" value="bank"{" checked" if by_bank else ""}>
<label for="by-bank" style="margin:0">Bank account (the money arrives later)</label></div></fieldset>
<label for="card">Card number</label>
<input id="card" name="card" inputmode="numeric" autocomplete="cc-number" aria-describedby="card-hint">
<p class="hint" id="card-hint">4242 4242 4242 4242 pays, 4000 0000 0000 0002 is declined, 4000 0000 0000 0259 is disputed later.</p>
<div class="two"><div><label for="expiry">Expiry (MM / YY)</label>
<input id="expiry" name="expiry" inputmode="numeric" autocomplete="cc-exp"></div>
<div><label for="cvc">Security code</label>
<input id="cvc" name="cvc" inputmode="numeric" autocomplete="cc-csc"></div></div>
<label for="account">Bank account number</label>
<input id="account" name="account" inputmode="numeric" autocomplete="off" aria-describedby="account-hint">
<p class="hint" id="account-hint">000123456789 pays, {BANK_FAILS} fails later.</p>
<button type="submit">Pay {total}</button></form>""",
    )


def closed_page(session: Json) -> str:
    """The page of a session that can no longer be paid."""
    why = "has been paid" if session["status"] == "complete" else "has expired"
    shop = session["success_url"] if session["status"] == "complete" else session["cancel_url"]
    back = f'<p><a href="{html.escape(after_payment(session) if shop == session["success_url"] else shop)}">Back to the shop</a></p>' if shop else ""  # fmt: skip
    return _PAGE.format(title="Checkout closed", content=f"<h1>Nothing to pay</h1><p>This checkout {why}.</p>{back}")


def unknown_page() -> str:
    """The page of a session that does not exist."""
    return _PAGE.format(
        title="No such checkout", content="<h1>Nothing to pay here</h1><p>There is no such checkout.</p>"
    )


def means_of(form: dict[str, str], today: dt.date) -> str:
    """The card number, ``bank`` or ``bank-fails`` that a form names. Raises Incomplete with what a buyer is told."""
    if form.get("method") == "bank":
        account = re.sub(r"\D", "", form.get("account", ""))
        if not 4 <= len(account) <= 17:
            raise Incomplete("Your bank account number is incomplete.")
        return "bank-fails" if account == BANK_FAILS else "bank"
    number = form.get("card", "").replace(" ", "")
    if number == "bank":
        return number
    if not re.fullmatch(r"\d{4,19}", number):
        raise Incomplete("Your card number is incomplete.")
    if "expiry" in form:
        _check_expiry(form["expiry"], today)
        if not re.fullmatch(r"\d{3,4}", form.get("cvc", "")):
            raise Incomplete("Your card's security code is incomplete.")
    return number


def _check_expiry(text: str, today: dt.date) -> None:
    found = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(?:20)?(\d{2})\s*", text)
    if found is None or not 1 <= int(found[1]) <= 12:
        raise Incomplete("Your card's expiration date is incomplete: write month and year, as in 04 / 31.")
    if (2000 + int(found[2]), int(found[1])) < (today.year, today.month):
        raise Incomplete("Your card's expiration date is in the past.")


def after_payment(session: Json) -> str:
    """Where the buyer goes next: the success URL with the session id filled in."""
    return str(session["success_url"] or "").replace("{CHECKOUT_SESSION_ID}", session["id"])


def money(cents: int, currency: str) -> str:
    """An amount as a buyer reads it."""
    sign = {"usd": "$", "eur": "€", "gbp": "£"}.get(currency)
    return f"{sign}{cents / 100:,.2f}" if sign else f"{cents / 100:,.2f} {currency.upper()}"
