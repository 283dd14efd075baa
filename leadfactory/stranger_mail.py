"""Parses mails that anybody may have written, in a time that is bounded whatever they hold."""

from __future__ import annotations

import email
import email.message
import re

MOST_READ = 1_000_000  # bytes; what people and mail servers write stands before attachments
MOST_NESTED = 15  # multiparts that a mail may have in one another; mail programs make three or four
_BOUNDARY = re.compile(rb"boundary\s*=", re.IGNORECASE)


class Costly(ValueError):
    """Why a mail is not parsed; never holds its content."""


def parsed(raw: bytes) -> email.message.Message:
    """The mail, its beginning where it is long. Every line is held against every multipart that it stands in.

    Raises:
        Costly: it may have more multiparts in one another than a mail program makes.
    """
    head = raw[:MOST_READ]
    if len(_BOUNDARY.findall(head)) > MOST_NESTED:
        raise Costly("too many multiparts")
    try:
        return email.message_from_bytes(head)  # the old parser: the new one raises over headers that are cut short
    except RecursionError:
        raise Costly("nested too deeply") from None
