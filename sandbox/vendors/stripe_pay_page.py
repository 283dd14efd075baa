"""The stand-in for Stripe's hosted checkout page: what the buyer sees, and the form that pays."""

from __future__ import annotations

import html

from sandbox.vendors.wire import Json

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>Checkout (sandbox)</title>
<style>body{{font:16px/1.5 sans-serif;max-width:26rem;margin:2rem auto;padding:0 1rem}}label,input,button{{display:block;width:100%}}
input,button{{font:inherit;padding:.5rem;margin:.25rem 0 1rem;box-sizing:border-box}}</style></head>
<body><main>{content}</main></body></html>
"""


def open_page(session: Json, items: list[Json], problem: str = "") -> str:
    """The page of an open session; ``problem`` tells why the last attempt failed."""
    lines = "".join(
        f"<li>{html.escape(item['description'])} × {item['quantity']}: {money(item['amount_total'], item['currency'])}</li>"
        for item in items
    )
    alert = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
    cancel = (
        f'<p><a href="{html.escape(session["cancel_url"])}">Back to the shop</a></p>' if session["cancel_url"] else ""
    )
    return _PAGE.format(
        content=f"""<h1>Checkout (sandbox)</h1><ul>{lines}</ul>{alert}
<form method="post">
<label for="email">E-mail</label>
<input id="email" name="email" type="email" required value="{html.escape(session["customer_email"] or "")}">
<label for="name">Name on card</label><input id="name" name="name" autocomplete="cc-name">
<label for="card">Test card (4242…, 4000000000000002 is declined, “bank” pays later)</label>
<input id="card" name="card" value="4242424242424242" required>
<button type="submit">Pay {money(session["amount_total"], session["currency"])}</button></form>{cancel}"""
    )


def closed_page(session: Json) -> str:
    """The page of a session that can no longer be paid."""
    why = "has been paid" if session["status"] == "complete" else "has expired"
    return _PAGE.format(content=f"<h1>Checkout (sandbox)</h1><p>This checkout {why}.</p>")


def after_payment(session: Json) -> str:
    """Where the buyer goes next: the success URL with the session id filled in."""
    return str(session["success_url"] or "").replace("{CHECKOUT_SESSION_ID}", session["id"])


def money(cents: int, currency: str) -> str:
    """An amount as a buyer reads it."""
    return f"{cents / 100:,.2f} {currency.upper()}"
