"""What SendGrid accepts as a mail: the checks of POST /v3/mail/send, and the mail they leave."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

from sandbox.vendors.wire import words

ADDRESS = re.compile(
    r"^[^@\s\"'<>(),;:]+@[A-Za-z0-9\u0080-\uffff](?:[A-Za-z0-9.\u0080-\uffff-]*[A-Za-z0-9\u0080-\uffff])?$"
)
_RESERVED = words(
    "x-sg-id x-sg-eid received dkim-signature content-type content-transfer-encoding to from subject reply-to cc bcc"
)
_RECIPIENTS_LIMIT = 1_000
_CUSTOM_ARGS_BYTES = 10_000
_SEND_AT_AHEAD_S = 72 * 3600
_FIELDS: dict[str, type] = {
    "personalizations": list, "from": dict, "reply_to": dict, "reply_to_list": list, "subject": str, "content": list,
    "attachments": list, "template_id": str, "headers": dict, "categories": list, "custom_args": dict, "send_at": int,
    "batch_id": str, "asm": dict, "ip_pool_name": str, "mail_settings": dict, "tracking_settings": dict,
}  # fmt: skip
_WORDS = {list: "an array", dict: "an object", str: "a string", int: "an integer"}


class BadRequest(ValueError):
    """A mail SendGrid refuses; ``field`` is the path in the body, None for the whole."""

    def __init__(self, message: str, field: str | None) -> None:
        super().__init__(message)
        self.field = field


@dataclasses.dataclass(frozen=True)
class Mail:
    """One personalization of an accepted request."""

    to: tuple[str, ...]
    sender: str
    subject: str
    custom_args: dict[str, str]
    headers: dict[str, str]
    categories: tuple[str, ...]
    content: dict[str, str]
    asm_group_id: int | None
    bypass: bool
    reply_to: str


def checked_mails(body: Any, now: int) -> list[Mail]:
    """The mails of a request body, one a personalization; ``now`` in epoch seconds. Raises BadRequest."""
    if not isinstance(body, dict):
        raise BadRequest("Bad Request", None)
    for name, kind in _FIELDS.items():
        if name in body and (not isinstance(body[name], kind) or isinstance(body[name], bool)):
            raise BadRequest(f"The {name} parameter must be {_WORDS[kind]}.", name)
    personalizations = body.get("personalizations")
    if not personalizations:
        raise BadRequest(
            "The personalizations field is required and must have at least one personalization.", "personalizations"
        )
    if len(personalizations) > 1_000:
        raise BadRequest("The personalizations field may have at most 1000 personalizations.", "personalizations")
    _check_address(body.get("from"), "from")
    for i, one in enumerate([body["reply_to"]] if "reply_to" in body else body.get("reply_to_list", [])):
        _check_address(one, "reply_to" if "reply_to" in body else f"reply_to_list.{i}")
    _check_content(body)
    _check_categories(body.get("categories", []))
    _check_headers(body.get("headers", {}), "headers")
    _check_send_at(body.get("send_at"), now, "send_at")
    _check_asm(body.get("asm"))
    mails = [_mail(body, one, f"personalizations.{i}", now) for i, one in enumerate(personalizations)]
    if sum(len(mail.to) for mail in mails) > _RECIPIENTS_LIMIT:
        raise BadRequest(
            f"The total number of recipients must be no more than {_RECIPIENTS_LIMIT}.", "personalizations"
        )
    return mails


def is_rehearsal(body: dict[str, Any]) -> bool:
    """Whether sandbox mode is on: checked, never delivered."""
    mode = (body.get("mail_settings") or {}).get("sandbox_mode") or {}
    return mode.get("enable") is True


def _mail(body: dict[str, Any], one: Any, where: str, now: int) -> Mail:
    if not isinstance(one, dict):
        raise BadRequest("Each personalization must be an object.", where)
    if not isinstance(one.get("to"), list) or not one["to"]:
        raise BadRequest("The to array is required for all personalization objects, and must have at least one email object "
                         "with a valid email address.", f"{where}.to")  # fmt: skip
    seen: list[str] = []
    for kind in ("to", "cc", "bcc"):
        for i, recipient in enumerate(one.get(kind) or []):
            _check_address(recipient, f"{where}.{kind}.{i}")
            if recipient["email"].lower() in seen:
                raise BadRequest("Each email address in the personalization block should be unique between to, cc, and bcc. "
                                 f"We found the first duplicate instance of [{recipient['email']}] in the {where}.{kind} "
                                 "field.", where)  # fmt: skip
            seen.append(recipient["email"].lower())
    subject = one.get("subject") or body.get("subject")
    if not isinstance(subject, str) or not subject:
        raise BadRequest("The subject is required. You can get around this requirement if you use a template with a subject "
                         "defined or if every personalization has a subject defined.", "subject")  # fmt: skip
    args = {**(body.get("custom_args") or {}), **(one.get("custom_args") or {})}
    for key, value in args.items():
        if not isinstance(value, str):
            raise BadRequest("The custom_args values must be strings.", f"custom_args.{key}")
    if len(json.dumps(args).encode()) > _CUSTOM_ARGS_BYTES:
        raise BadRequest(f"The custom_args may have at most {_CUSTOM_ARGS_BYTES} bytes.", "custom_args")
    _check_headers(one.get("headers") or {}, f"{where}.headers")
    _check_send_at(one.get("send_at"), now, f"{where}.send_at")
    settings = body.get("mail_settings") or {}
    return Mail(
        to=tuple(seen),
        sender=body["from"]["email"],
        subject=subject,
        custom_args=args,
        headers={**(body.get("headers") or {}), **(one.get("headers") or {})},
        categories=tuple(body.get("categories", [])),
        content={part["type"]: part["value"] for part in body.get("content", [])},
        asm_group_id=(body.get("asm") or {}).get("group_id"),
        bypass=(settings.get("bypass_list_management") or {}).get("enable") is True,
        reply_to=_answers_to(body),
    )


def _answers_to(body: dict[str, Any]) -> str:
    """Where an answer goes: the first Reply-To, else the sender."""
    several = body.get("reply_to_list") or []
    return str((body.get("reply_to") or (several[0] if several else body["from"]))["email"])


def _check_address(given: Any, where: str) -> None:
    email = given.get("email") if isinstance(given, dict) else None
    if not isinstance(email, str) or not email:
        message = (
            "The from object must be provided for every email send." if where == "from" else "An email is required."
        )
        raise BadRequest(f"{message} It is an object that requires the email parameter.", f"{where}.email")
    if not ADDRESS.match(email) or len(email) > 320:
        raise BadRequest("Does not contain a valid address.", f"{where}.email")
    if not isinstance(given.get("name", ""), str | None):
        raise BadRequest("The name parameter must be a string.", f"{where}.name")


def _check_content(body: dict[str, Any]) -> None:
    parts = body.get("content")
    if not parts:
        if "template_id" in body:
            return
        raise BadRequest("Unless a valid template_id is provided, the content parameter is required. There must be at least "
                         "one defined content block.", "content")  # fmt: skip
    for i, part in enumerate(parts):
        for field in ("type", "value"):
            value = part.get(field) if isinstance(part, dict) else None
            if not isinstance(value, str) or not value:
                raise BadRequest(
                    f"The content {field} must be a string at least one character in length.", f"content.{i}.{field}"
                )
    types = [part["type"] for part in parts]
    order = {"text/plain": 0, "text/x-amp-html": 1, "text/html": 2}
    if types != sorted(types, key=lambda kind: order.get(kind, 3)):
        raise BadRequest(
            "If present, text/plain must be first, followed by text/html, followed by any other content.", "content"
        )
    if types.count("text/plain") > 1 or types.count("text/html") > 1:
        raise BadRequest("If present, text/plain and text/html may only be provided once.", "content")


def _check_categories(categories: list[Any]) -> None:
    if len(categories) > 10:
        raise BadRequest("A maximum of 10 categories may be provided.", "categories")
    if len(set(map(str, categories))) < len(categories):
        raise BadRequest("The categories must be unique.", "categories")
    for i, one in enumerate(categories):
        if not isinstance(one, str) or len(one) > 255:
            raise BadRequest("The category name may have at most 255 characters.", f"categories.{i}")


def _check_headers(headers: dict[str, Any], where: str) -> None:
    for name, value in headers.items():
        if name.lower() in _RESERVED:
            raise BadRequest(f"The header '{name}' is reserved and may not be set.", f"{where}.{name}")
        if not isinstance(value, str) or not name.isascii() or "\n" in name + value or "\r" in name + value:
            raise BadRequest("The header values must be strings of one line, and the names ASCII.", f"{where}.{name}")


def _check_send_at(send_at: Any, now: int, where: str) -> None:
    if send_at is not None and (
        isinstance(send_at, bool) or not isinstance(send_at, int) or send_at > now + _SEND_AT_AHEAD_S
    ):
        raise BadRequest("The send_at parameter must be a unix timestamp at most 72 hours in the future.", where)


def _check_asm(asm: dict[str, Any] | None) -> None:
    if asm is None:
        return
    if not isinstance(asm.get("group_id"), int):
        raise BadRequest("The asm group_id is required and must be an integer.", "asm.group_id")
    if len(asm.get("groups_to_display", [])) > 25:
        raise BadRequest("The asm groups_to_display may have at most 25 groups.", "asm.groups_to_display")
