"""Stripe through the official SDK, whose HTTP client is ours: each attempt has its permit and its ledger row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from leadfactory.d00_gateway.answers import Reader, judged
from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.scope import CallSpec
from leadfactory.settings import Settings

LONGEST_KEY = 255  # characters of an idempotency key
LONGEST_PAGE = 100  # objects of one page of a list
_REQUIRED: dict[str, dict[str, type]] = {"balance": {"object": str}, "list": {"object": str, "data": list}}


class StripeClient:
    """One Stripe account over the gateway; holds nothing that belongs to an event loop.

    Every method raises VendorRejected (refused for good) or VendorUnavailable (again later, with the same key). Writes need
    an idempotency key that was stored before the first call, made of our own ids and a digest of the parameters; ValueError
    names a missing one. Answers are plain dicts in the form of Stripe's JSON.
    """

    def __init__(self, gateway: Gateway, settings: Settings) -> None:
        self.gateway, self._base = gateway, settings.stripe_base_url.rstrip("/")
        self._key = settings.stripe_api_key.get_secret_value()

    async def create_checkout(
        self,
        *,
        amount_cents: int,
        currency: str,
        product_name: str,
        metadata: Mapping[str, str],
        idempotency_key: str,
        success_url: str,
        cancel_url: str,
        customer_email: str | None = None,
        invoice: bool = False,
        automatic_tax: bool = False,
    ) -> dict[str, Any]:
        """A hosted checkout for one report: the session, with the ``url`` to send the buyer to.

        ``metadata`` goes to the payment too, where refunds and disputes look for it. ``invoice``: Stripe makes one and mails
        it; ``automatic_tax``: Stripe adds the tax of the buyer's place.
        """
        _check_money(amount_cents)
        parameters: dict[str, Any] = {
            "mode": "payment",
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": currency,
                        "unit_amount": amount_cents,
                        "product_data": {"name": product_name},
                    },
                }
            ],
            "success_url": success_url,
            "cancel_url": cancel_url,
            "metadata": dict(metadata),
            "payment_intent_data": {"metadata": dict(metadata)},
        }
        if customer_email is not None:
            parameters["customer_email"] = customer_email
        if invoice:
            parameters["invoice_creation"] = {"enabled": True}
        if automatic_tax:
            parameters["automatic_tax"] = {"enabled": True}
        options = _keyed(idempotency_key)
        return await self._ask(
            "checkout/sessions",
            "checkout.session",
            lambda sdk: sdk.v1.checkout.sessions.create_async(parameters, options),
        )

    async def retrieve_checkout(self, session_id: str) -> dict[str, Any]:
        """A checkout as Stripe knows it now, with its line items."""
        expand = {"expand": ["line_items"]}
        return await self._ask(
            "checkout/sessions/retrieve",
            "checkout.session",
            lambda sdk: sdk.v1.checkout.sessions.retrieve_async(session_id, expand),
        )

    async def refund(
        self,
        *,
        payment_intent: str,
        amount_cents: int | None,
        idempotency_key: str,
        metadata: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Refunds a payment, in part when ``amount_cents`` is given."""
        parameters: dict[str, Any] = {"payment_intent": payment_intent}
        if amount_cents is not None:
            _check_money(amount_cents)
            parameters["amount"] = amount_cents
        if metadata:
            parameters["metadata"] = dict(metadata)
        options = _keyed(idempotency_key)
        return await self._ask("refunds", "refund", lambda sdk: sdk.v1.refunds.create_async(parameters, options))

    async def refunds(
        self, *, payment_intent: str | None = None, since: dt.datetime | None = None
    ) -> list[dict[str, Any]]:
        """All refunds, of one payment or made since, the newest first."""
        asked: dict[str, Any] = {} if payment_intent is None else {"payment_intent": payment_intent}
        if since is not None:
            asked["created"] = {"gte": int(since.timestamp())}
        return await self._all("refunds/list", "refund", asked, lambda sdk, page: sdk.v1.refunds.list_async(page))

    async def events(self, *, since: dt.datetime, kinds: Sequence[str] = ()) -> list[dict[str, Any]]:
        """All events that Stripe made since, the newest first; it keeps them for 30 days. For what a webhook lost."""
        asked: dict[str, Any] = {"created": {"gte": int(since.timestamp())}}
        if kinds:
            asked["types"] = list(kinds)
        return await self._all("events/list", "event", asked, lambda sdk, page: sdk.v1.events.list_async(page))

    async def checkouts(self, *, since: dt.datetime) -> list[dict[str, Any]]:
        """All checkouts that were opened since, the newest first."""
        asked = {"created": {"gte": int(since.timestamp())}}
        return await self._all(
            "checkout/sessions/list",
            "checkout.session",
            asked,
            lambda sdk, page: sdk.v1.checkout.sessions.list_async(page),
        )

    async def balance(self) -> dict[str, Any]:
        """What the account holds, available and pending, by currency."""
        return await self._ask("balance", "balance", lambda sdk: sdk.v1.balance.retrieve_async())

    async def ping(self) -> str:
        """Reads the balance: free, without side effects; tells a test key from a live one."""
        balance = await self.balance()
        return "ok, live" if balance.get("livemode") else "ok, test mode"

    async def _all(self, endpoint: str, kind: str, asked: Mapping[str, Any], call: Any) -> list[dict[str, Any]]:
        """Every page of a list."""
        found: list[dict[str, Any]] = []
        while True:
            after = {"starting_after": found[-1]["id"]} if found else {}
            page = {"limit": LONGEST_PAGE, **asked, **after}
            answer = await self._ask(endpoint, "list", lambda sdk, page=page: call(sdk, page))
            entries = answer["data"]
            if any(not isinstance(each, dict) or each.get("object") != kind for each in entries):
                raise VendorUnavailable(
                    "stripe", endpoint, "malformed_answer", detail=f"body.data holds no {kind} objects"
                )
            found += entries
            if not answer.get("has_more") or not entries:
                return found

    async def _ask(self, endpoint: str, kind: str, call: Any) -> dict[str, Any]:
        import stripe

        def check(reader: Reader, answer: Any) -> None:
            required: dict[str, type] = _REQUIRED.get(kind, {"object": str, "id": str})
            reader.fields(answer, "body", required=required, optional={})
            if answer["object"] != kind:
                raise reader.malformed(f"body.object is not {kind}")

        stripe.enable_telemetry = False  # it would send an id of this machine
        sdk = stripe.StripeClient(
            self._key,
            base_addresses={"api": self._base},
            max_network_retries=0,
            http_client=_http_client(self.gateway.http("stripe")),
        )
        try:
            with self.gateway.calling(CallSpec(endpoint, fault_of=judged("stripe", endpoint, check))):
                answer = await call(sdk)
        except stripe.StripeError as error:
            raise _ours(error, endpoint) from None
        return dict(answer.to_dict(for_json=True))


def _http_client(http: httpx.AsyncClient) -> Any:
    """An HTTP client of the SDK's kind over the gateway's transport; made here because the SDK is imported late."""
    import stripe

    class GatewayHTTPClient(stripe.HTTPClient):
        name = "leadfactory-gateway"

        async def request_async(
            self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None, **_: Any
        ) -> tuple[bytes, int, Mapping[str, str]]:
            response = await http.request(method.upper(), url, headers=dict(headers), content=post_data)
            return response.content, response.status_code, response.headers

        async def close_async(self) -> None:
            """The gateway closes its client."""

        def close(self) -> None:
            """The gateway closes its client."""

    return GatewayHTTPClient()


def _keyed(idempotency_key: str) -> dict[str, str]:
    if not 1 <= len(idempotency_key) <= LONGEST_KEY:
        raise ValueError(f"idempotency_key of {len(idempotency_key)} characters: Stripe takes 1 to {LONGEST_KEY}")
    return {"idempotency_key": idempotency_key}


def _check_money(amount_cents: int) -> None:
    if amount_cents <= 0:
        raise ValueError(f"amount_cents={amount_cents}: a payment and a refund are of one cent or more")


def _ours(error: BaseException, endpoint: str) -> VendorError:
    """The gateway's own error from under the SDK's wrapping; without one, a fault with the SDK's name for it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, VendorError):
            return cause
        cause = cause.__cause__ or cause.__context__
    return VendorUnavailable("stripe", endpoint, "malformed_answer", detail=type(error).__name__)
