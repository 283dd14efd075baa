"""What recipients write back: a word of interest, a word to stop, a machine's notice. Texts, headers and addresses only."""

from __future__ import annotations

import dataclasses

from sandbox.recipients.letter import Letter
from sandbox.vendors.wire import digest, hex_token

WORDS = {
    "reply": (
        "Hi Ana,\n\nthanks for looking at our page. Who would do the work, and how long would it take?\n",
        "Could you call me on Thursday? I am not sure I understand the second point.\n",
        "Our nephew built that site. I will show him your note.\n\nBest,\nthe owner\n",
    ),
    "stop_words": (
        "Please remove me from your list.\n",
        "UNSUBSCRIBE\n",
        "Stop emailing us.\n",
        "Take me off this list, I did not ask for this.\n",
    ),
    "out_of_office": (
        "Thank you for your message. I am out of the office until Monday and will answer when I am back.\n",
        "We have received your e-mail and usually answer within two days. This is an automatic reply.\n",
    ),
}


@dataclasses.dataclass(frozen=True)
class Answer:
    """A mail from a recipient, as its sender's program wrote it."""

    sender: str
    to: str
    subject: str
    text: str
    html: str
    headers: tuple[tuple[str, str], ...]
    message_id: str


def answer(kind: str, letter: Letter) -> Answer:
    """The answer of ``kind`` to a letter, with the letter quoted below it as mail programs do."""
    texts = WORDS[kind]
    text = texts[digest("words", kind, letter.address)[0] % len(texts)]
    automatic = kind == "out_of_office"
    subject = f"{'Automatic reply' if automatic else 'Re'}: {letter.subject}"
    message_id = f"<{hex_token('answer', kind, letter.message_id, letter.address, length=24)}@{letter.address.rpartition('@')[2]}>"
    headers = [
        ("From", letter.address), ("To", letter.reply_to), ("Subject", subject), ("Message-ID", message_id),
        ("In-Reply-To", f"<{letter.message_id}@sendgrid.net>"), ("MIME-Version", "1.0"),
    ]  # fmt: skip
    if automatic:
        headers += [("Auto-Submitted", "auto-replied"), ("X-Auto-Response-Suppress", "All"), ("Precedence", "bulk")]
    else:
        text += f"\nOn Tuesday, {letter.reply_to} wrote:\n" + "".join(
            f"> {line}\n" for line in letter.text.splitlines()
        )
    markup = "<div>" + text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", "<br>") + "</div>"
    return Answer(letter.address, letter.reply_to, subject, text, markup, tuple(headers), message_id)
