"""What Stripe accepts: bracketed forms, known parameters, types, ranges. The objects they make are in stripe_books."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request

from sandbox.vendors.wire import Json, bearer, words

_ADDRESS = re.compile(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
_SEGMENTS = re.compile(r"\[([^\[\]]*)\]")
_CURRENCIES = words("usd eur gbp cad aud nzd chf sek nok dkk jpy mxn")
_LEAST_CENTS = 50  # of a charge, in the currencies with cents
_METADATA = (50, 40, 500)  # keys, characters of a key, characters of a value
_EXPIRES_S = (30 * 60, 24 * 3600)
_MOST_CENTS = 99_999_999

SESSION_FIELDS = words(
    "adaptive_pricing after_expiration allow_promotion_codes allowed_payment_method_types automatic_tax "
    "billing_address_collection branding_settings cancel_url client_reference_id consent_collection currency custom_fields "
    "custom_text customer customer_account customer_creation customer_email customer_update discounts "
    "excluded_payment_method_types expand expires_at integration_identifier invoice_creation line_items locale "
    "managed_payments metadata mode name_collection optional_items origin_context payment_intent_data "
    "payment_method_collection payment_method_configuration payment_method_data payment_method_options permissions "
    "phone_number_collection redirect_on_completion return_url saved_payment_method_options setup_intent_data "
    "shipping_address_collection shipping_options submit_type subscription_data success_url tax_id_collection ui_mode "
    "wallet_options"
)
REFUND_FIELDS = words(
    "amount charge currency customer expand instructions_email metadata origin payment_intent reason refund_application_fee "
    "reverse_transfer"
)


class BadRequest(ValueError):
    """A request Stripe refuses; ``status`` 404 and 402 are the exceptions to 400."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400,
                 kind: str = "invalid_request_error", **more: object) -> None:  # fmt: skip
        super().__init__(message)
        self.param, self.code, self.status, self.kind, self.more = param, code, status, kind, more


def unbracketed(pairs: Iterable[tuple[str, str]]) -> Json:
    """``a[b][0][c]=1`` as nested objects and lists; values stay text. Raises BadRequest for a name that is both."""
    tree: Json = {}
    for name, value in pairs:
        head, _, _ = name.partition("[")
        path = [head, *_SEGMENTS.findall(name[len(head) :])]
        at = tree
        for here in path[:-1]:
            at = at.setdefault(here if here else str(len(at)), {})
            if not isinstance(at, dict):
                raise BadRequest(f"Invalid object: {name}", name)
        last = path[-1] if path[-1] or len(path) == 1 else str(len(at))
        at[last] = value
    return {key: _listed(value) for key, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_listed(value[key]) for key in sorted(value, key=int)]
    return {key: _listed(item) for key, item in value.items()}


def refuse_unknown(given: Json, known: frozenset[str]) -> None:
    """Raise BadRequest for the first parameter that is not known."""
    for name in given:
        if name not in known:
            raise BadRequest(f"Received unknown parameter: {name}", name, "parameter_unknown")


def checked_session(given: Json, now: int) -> Json:
    """The parameters of a new Checkout Session, typed; ``now`` in epoch seconds. Raises BadRequest."""
    refuse_unknown(given, SESSION_FIELDS)
    mode = given.get("mode")
    if mode is None:
        raise _missing("mode")
    if mode != "payment":
        raise BadRequest(f"Invalid mode: must be payment here; got {mode}", "mode")
    ui_mode = given.get("ui_mode", "hosted_page")
    if ui_mode not in ("hosted_page", "embedded_page", "elements", "form"):
        raise BadRequest(
            f"Invalid ui_mode: must be one of hosted_page, embedded_page, elements, or form; got {ui_mode}", "ui_mode"
        )
    if ui_mode == "hosted_page" and not given.get("success_url"):
        raise _missing("success_url")
    for name in ("success_url", "cancel_url", "return_url"):
        if name in given:
            _check_url(given[name], name)
    if "customer_email" in given and not _ADDRESS.match(str(given["customer_email"])):
        raise BadRequest(f"Invalid email address: {given['customer_email']}", "customer_email", "email_invalid")
    if len(str(given.get("client_reference_id", ""))) > 200:
        raise BadRequest("Invalid string: must be at most 200 characters", "client_reference_id")
    intent = _object(given, "payment_intent_data")
    items = [_line_item(one, i) for i, one in enumerate(_items(given))]
    if len({one["currency"] for one in items}) > 1:
        raise BadRequest("All line items must have the same currency.", "line_items")
    total = sum(one["unit_amount"] * one["quantity"] for one in items)
    if 0 < total < _LEAST_CENTS or total > _MOST_CENTS:
        raise BadRequest("The Checkout Session's total amount must convert to at least 50 cents.", None,
                         "amount_too_small" if total < _LEAST_CENTS else "amount_too_large")  # fmt: skip
    return {
        "items": items,
        "total": total,
        "currency": items[0]["currency"],
        "ui_mode": ui_mode,
        "metadata": metadata(given, "metadata"),
        "intent": intent | {"metadata": metadata(intent, "metadata", "payment_intent_data")},
        "expires_at": _expires_at(given, now),
        "automatic_tax": flag(_object(given, "automatic_tax"), "enabled", "automatic_tax[enabled]"),
        "invoice": flag(_object(given, "invoice_creation"), "enabled", "invoice_creation[enabled]"),
        **{
            name: given.get(name)
            for name in ("success_url", "cancel_url", "customer_email", "client_reference_id", "locale")
        },
        "allow_promotion_codes": flag(given, "allow_promotion_codes", "allow_promotion_codes") or None,
    }


def metadata(given: Json, name: str, inside: str = "") -> dict[str, str]:
    """Checked metadata: at most 50 keys of 40 characters with values of 500; raises BadRequest."""
    where = f"{inside}[{name}]" if inside else name
    pairs = given.get(name) or {}
    if not isinstance(pairs, dict):
        raise BadRequest("Invalid object", where)
    keys, key_length, value_length = _METADATA
    if len(pairs) > keys:
        raise BadRequest(f"You can have at most {keys} metadata keys.", where)
    for key, value in pairs.items():
        if len(key) > key_length:
            raise BadRequest(f"Metadata keys can be at most {key_length} characters long.", where)
        if not isinstance(value, str) or len(value) > value_length:
            raise BadRequest(f"Metadata values can be at most {value_length} characters long.", f"{where}[{key}]")
    return {key: value for key, value in pairs.items() if value}


def integer(given: Json, name: str, low: int, high: int, where: str = "", default: int | None = None) -> int | None:
    """An integer parameter within [low, high]; raises BadRequest."""
    where = where or name
    text = given.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?\d{1,18}", str(text)):
        raise BadRequest(f"Invalid integer: {text}", where, "parameter_invalid_integer")
    if not low <= int(text) <= high:
        raise BadRequest(f"This value must be between {low} and {high}; got {text}", where, "parameter_invalid_integer")
    return int(text)


def flag(given: Json, name: str, where: str) -> bool:
    """A boolean parameter, false when absent; raises BadRequest."""
    text = str(given.get(name, "false")).lower()
    if text not in ("true", "false"):
        raise BadRequest(f"Invalid boolean: {text}", where)
    return text == "true"


def _missing(name: str) -> BadRequest:
    return BadRequest(f"Missing required param: {name}.", name, "parameter_missing")


def _object(given: Json, name: str) -> Json:
    value = given.get(name) or {}
    if not isinstance(value, dict):
        raise BadRequest("Invalid object", name)
    return value


def _check_url(url: Any, name: str) -> None:
    parts = urlsplit(str(url))
    if parts.scheme not in ("http", "https") or not parts.netloc or len(str(url)) > 5_000:
        raise BadRequest(
            "Not a valid URL. URLs must begin with an explicit scheme such as https://.", name, "url_invalid"
        )


def _expires_at(given: Json, now: int) -> int:
    least, most = _EXPIRES_S
    at = integer(given, "expires_at", 0, 2**40, default=now + most)
    if at is None or not now + least <= at <= now + most:
        raise BadRequest("The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session "
                         "creation.", "expires_at")  # fmt: skip
    return at


def _items(given: Json) -> list[Json]:
    items = given.get("line_items")
    if not items:
        raise _missing("line_items")
    if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
        raise BadRequest("Invalid array", "line_items")
    if len(items) > 100:
        raise BadRequest("You can have at most 100 line items.", "line_items")
    return items


def _line_item(one: Json, i: int) -> Json:
    where = f"line_items[{i}]"
    refuse_unknown_in(one, {"adjustable_quantity", "metadata", "price", "price_data", "quantity", "tax_rates"}, where)
    if "price" in one:
        raise BadRequest(f"No such price: '{one['price']}'", f"{where}[price]", "resource_missing")
    price = one.get("price_data")
    if not isinstance(price, dict):
        raise _missing(f"{where}[price_data]")
    refuse_unknown_in(price, {"currency", "product", "product_data", "recurring", "tax_behavior", "unit_amount",
                              "unit_amount_decimal"}, f"{where}[price_data]")  # fmt: skip
    currency = str(price.get("currency", "")).lower()
    if not currency:
        raise _missing(f"{where}[price_data][currency]")
    if currency not in _CURRENCIES:
        raise BadRequest(f"Invalid currency: {currency}.", f"{where}[price_data][currency]")
    product = price.get("product_data")
    if not isinstance(product, dict) or not product.get("name"):
        raise _missing(f"{where}[price_data][product_data][name]")
    amount = integer(price, "unit_amount", 0, _MOST_CENTS, f"{where}[price_data][unit_amount]")
    if amount is None:
        raise _missing(f"{where}[price_data][unit_amount]")
    quantity = integer(one, "quantity", 1, 999_999, f"{where}[quantity]")
    if quantity is None:
        raise _missing(f"{where}[quantity]")
    return {"currency": currency, "unit_amount": amount, "quantity": quantity, "name": product["name"],
            "description": product.get("description"), "metadata": metadata(one, "metadata", where)}  # fmt: skip


def refuse_unknown_in(given: Json, known: set[str], where: str) -> None:
    """As :func:`refuse_unknown`, for an object inside a form."""
    for name in given:
        if name not in known:
            raise BadRequest(f"Received unknown parameter: {where}[{name}]", f"{where}[{name}]", "parameter_unknown")


def key_of(request: Request) -> str | None:
    """The secret key, sent as bearer or as the user name of basic authentication."""
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return bearer(request)
    try:
        return base64.b64decode(value).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        return None
