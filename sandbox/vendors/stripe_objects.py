"""Stripe's objects as its API writes them. Shapes only; when they change is decided in stripe_books."""

from __future__ import annotations

from sandbox.vendors.wire import Json

API_VERSION = "2026-10-28.endive"
_NO_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))


def session(session_id: str, asked: Json, url: str | None, now: int) -> Json:
    """An open Checkout Session from checked parameters."""
    total = asked["total"]
    return {
        "id": session_id, "object": "checkout.session", "adaptive_pricing": None, "after_expiration": None,
        "allow_promotion_codes": asked["allow_promotion_codes"], "allowed_payment_method_types": None,
        "amount_subtotal": total, "amount_total": total,
        "automatic_tax": {"enabled": asked["automatic_tax"], "liability": None, "provider": None, "status": None},
        "billing_address_collection": None, "cancel_url": asked["cancel_url"],
        "client_reference_id": asked["client_reference_id"], "client_secret": None, "collected_information": None,
        "consent": None, "consent_collection": None, "created": now, "currency": asked["currency"],
        "currency_conversion": None, "custom_fields": [],
        "custom_text": {"after_submit": None, "shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        "customer": None, "customer_account": None, "customer_creation": "if_required",
        "customer_details": _customer(asked["customer_email"], None) if asked["customer_email"] else None,
        "customer_email": asked["customer_email"], "discounts": [], "expires_at": asked["expires_at"], "invoice": None,
        "invoice_creation": _invoice_creation(asked["invoice"]), "livemode": False, "locale": asked["locale"],
        "metadata": asked["metadata"], "mode": "payment", "origin_context": None, "payment_intent": None,
        "payment_link": None, "payment_method_collection": "if_required", "payment_method_options": {},
        "payment_method_types": ["card"], "payment_status": "unpaid" if total else "no_payment_required",
        "permissions": None, "phone_number_collection": {"enabled": False}, "recovered_from": None,
        "saved_payment_method_options": None, "setup_intent": None, "shipping_address_collection": None,
        "shipping_cost": None, "shipping_options": [], "status": "open", "submit_type": None, "subscription": None,
        "success_url": asked["success_url"],
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": asked["ui_mode"], "url": url, "wallet_options": None,
    }  # fmt: skip


def _customer(email: str | None, name: str | None) -> Json:
    return {"address": dict(_NO_ADDRESS), "business_name": None, "email": email, "individual_name": None, "name": name,
            "phone": None, "tax_exempt": "none", "tax_ids": []}  # fmt: skip


customer_details = _customer


def _invoice_creation(enabled: bool) -> Json:
    data = dict.fromkeys(("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options"))
    return {"enabled": enabled, "invoice_data": data | {"metadata": {}}}


def line_item(item_id: str, one: Json, product_id: str, now: int) -> Json:
    """One item of a session, with the price that was made for it."""
    amount = one["unit_amount"] * one["quantity"]
    price = {
        "id": item_id.replace("li_", "price_"), "object": "price", "active": False, "billing_scheme": "per_unit",
        "created": now, "currency": one["currency"], "custom_unit_amount": None, "livemode": False, "lookup_key": None,
        "metadata": {}, "nickname": None, "product": product_id, "recurring": None, "tax_behavior": "unspecified",
        "tiers_mode": None, "transform_quantity": None, "type": "one_time", "unit_amount": one["unit_amount"],
        "unit_amount_decimal": str(one["unit_amount"]),
    }  # fmt: skip
    return {
        "id": item_id, "object": "item", "adjustable_quantity": None, "amount_discount": 0, "amount_subtotal": amount,
        "amount_tax": 0, "amount_total": amount, "currency": one["currency"], "description": one["name"],
        "metadata": one["metadata"], "price": price, "quantity": one["quantity"],
    }  # fmt: skip


def payment_intent(intent_id: str, session_body: Json, intent_data: Json, now: int) -> Json:
    """The payment of a session, before a payment method was accepted."""
    return {
        "id": intent_id, "object": "payment_intent", "amount": session_body["amount_total"], "amount_capturable": 0,
        "amount_details": {"tip": {}}, "amount_received": 0, "application": None, "application_fee_amount": None,
        "automatic_payment_methods": None, "canceled_at": None, "cancellation_reason": None,
        "capture_method": "automatic_async", "client_secret": f"{intent_id}_secret_sandbox",
        "confirmation_method": "automatic", "created": now, "currency": session_body["currency"], "customer": None,
        "customer_account": None, "description": intent_data.get("description"), "last_payment_error": None,
        "latest_charge": None, "livemode": False, "metadata": intent_data["metadata"], "next_action": None,
        "on_behalf_of": None, "payment_method": None, "payment_method_options": {}, "payment_method_types": ["card"],
        "processing": None, "receipt_email": intent_data.get("receipt_email"), "review": None,
        "setup_future_usage": None, "shipping": None, "source": None,
        "statement_descriptor": intent_data.get("statement_descriptor"), "statement_descriptor_suffix": None,
        "status": "requires_payment_method", "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


def charge(charge_id: str, intent: Json, email: str | None, name: str | None, paid: bool, now: int) -> Json:
    """One attempt to take the money; ``paid`` is False for a declined card."""
    return {
        "id": charge_id, "object": "charge", "amount": intent["amount"], "amount_captured": intent["amount"] if paid else 0,
        "amount_refunded": 0, "application": None, "application_fee_amount": None,
        "balance_transaction": charge_id.replace("ch_", "txn_") if paid else None,
        "billing_details": {"address": dict(_NO_ADDRESS), "email": email, "name": name, "phone": None, "tax_id": None},
        "captured": paid, "created": now, "currency": intent["currency"], "customer": None,
        "description": intent["description"], "disputed": False, "failure_code": None if paid else "card_declined",
        "failure_message": None if paid else "Your card was declined.", "fraud_details": {}, "livemode": False,
        "metadata": intent["metadata"], "on_behalf_of": None, "outcome": None, "paid": paid,
        "payment_intent": intent["id"], "payment_method": charge_id.replace("ch_", "pm_"), "payment_method_details": None,
        "receipt_email": intent["receipt_email"], "receipt_number": None, "receipt_url": None, "refunded": False,
        "review": None, "shipping": None, "source_transfer": None, "statement_descriptor": None, "statement_descriptor_suffix": None,
        "status": "succeeded" if paid else "failed", "transfer_data": None, "transfer_group": None,
    }  # fmt: skip


def refund(refund_id: str, charge_body: Json, amount: int, reason: str | None, metadata: Json, now: int) -> Json:
    """A refund that went through at once, as card refunds in test mode do."""
    return {
        "id": refund_id, "object": "refund", "amount": amount, "balance_transaction": refund_id.replace("re_", "txn_"),
        "charge": charge_body["id"], "created": now, "currency": charge_body["currency"],
        "destination_details": {"type": "card"}, "metadata": metadata, "payment_intent": charge_body["payment_intent"],
        "reason": reason, "receipt_number": None, "source_transfer_reversal": None, "status": "succeeded",
        "transfer_reversal": None,
    }  # fmt: skip


def dispute(dispute_id: str, charge_body: Json, now: int) -> Json:
    """A dispute the cardholder has just opened."""
    return {
        "id": dispute_id, "object": "dispute", "amount": charge_body["amount"], "balance_transactions": [],
        "charge": charge_body["id"], "created": now, "currency": charge_body["currency"], "enhanced_eligibility_types": [],
        "evidence": {"enhanced_evidence": {}}, "evidence_details": {"due_by": now + 7 * 86_400, "has_evidence": False, "past_due": False,
                                             "submission_count": 0, "enhanced_eligibility": {}, "submission_method": "not_submitted"},
        "is_charge_refundable": True, "livemode": False, "metadata": {}, "payment_intent": charge_body["payment_intent"],
        "reason": "fraudulent", "status": "needs_response",
    }  # fmt: skip


def event(event_id: str, kind: str, body: Json, now: int, request: Json, previous: Json | None) -> Json:
    """What happened to an object, with the object as it was then."""
    data: Json = {"object": body} | ({"previous_attributes": previous} if previous else {})
    return {"id": event_id, "object": "event", "api_version": API_VERSION, "created": now, "data": data, "livemode": False,
            "pending_webhooks": 1, "request": request, "type": kind}  # fmt: skip


def page(entries: list[Json], url: str, has_more: bool) -> Json:
    """A list object."""
    return {"object": "list", "data": entries, "has_more": has_more, "url": url}
