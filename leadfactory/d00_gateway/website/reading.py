"""Reading a stranger's answer: bytes bounded on the wire and after decompression, and text out of any charset."""

from __future__ import annotations

import codecs
import re
import zlib

import httpx

_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]+)", re.IGNORECASE)
_HEADER_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]+)", re.IGNORECASE)
_PRESCAN = 4096  # browsers look for the declaration in the first 1,024 bytes; real pages are sloppier
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
# The web means Windows-1252 by all of these (WHATWG encoding standard, table of labels).
_WINDOWS = {"iso8859-1", "ascii", "cp1252", "latin-1"}
# Python codecs that no page can mean, some of which raise more than UnicodeDecodeError.
_NOT_CHARSETS = {"idna", "punycode", "unicode-escape", "raw-unicode-escape", "utf-7", "undefined"}


class TooLarge(Exception):
    """More bytes than the reader may take."""


class Body:
    """Collects a body of at most ``most`` bytes as sent and ``most`` bytes decoded, and never holds more.

    Args:
        encoding: the Content-Encoding header; gzip, x-gzip, deflate, identity or empty.
        most: the limit in bytes.
        cut: keep the first ``most`` bytes of a longer body instead of raising.

    Raises:
        httpx.DecodingError: for an encoding that was not asked for; several on top of each other are the usual bomb.
    """

    def __init__(self, encoding: str, *, most: int, cut: bool = False) -> None:
        self._most, self._cut = most, cut
        self.encoding = encoding.strip().lower().replace("identity", "")
        if self.encoding not in {"", "gzip", "x-gzip", "deflate"}:
            raise httpx.DecodingError(f"content-encoding {self.encoding[:40]!r} was not asked for")
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 32) if self.encoding else None  # 32: gzip and zlib headers
        self._content, self._wire_bytes = bytearray(), 0

    def add(self, chunk: bytes) -> bool:
        """Takes the next bytes of the wire; False when nothing more is wanted.

        Raises:
            TooLarge: the limit is passed and ``cut`` is not set.
            httpx.DecodingError: the compressed data is damaged.
        """
        first, self._wire_bytes = self._wire_bytes == 0, self._wire_bytes + len(chunk)
        room = self._most + 1 - len(self._content)
        self._content += self._inflated(chunk, room, first=first) if self._inflater else chunk[:room]
        if len(self._content) <= self._most and self._wire_bytes <= self._most:
            return True
        if not self._cut:
            raise TooLarge(f"more than {self._most} bytes")
        return False

    def content(self) -> bytes:
        """What has been read, decoded, at most ``most`` bytes."""
        return bytes(self._content[: self._most])

    def _inflated(self, chunk: bytes, room: int, *, first: bool) -> bytes:
        assert self._inflater is not None
        try:
            return self._inflater.decompress(chunk, room)
        except zlib.error as error:
            if first and self.encoding == "deflate":  # many servers send bare deflate data without the zlib header
                self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
                return self._inflated(chunk, room, first=False)
            raise httpx.DecodingError(f"damaged {self.encoding} data: {error}") from None


def text_of(content: bytes, content_type: str) -> str:
    """A page's text: byte-order mark, then the header's charset, the page's own, UTF-8, Windows-1252.

    Never raises. NUL characters, which no page needs and no database column takes, become U+FFFD.
    """
    for mark, charset in _BOMS:
        if content.startswith(mark):
            return content.decode(charset, errors="replace").replace("\x00", "\ufffd")
    header, meta = _HEADER_CHARSET.search(content_type), _META_CHARSET.search(content[:_PRESCAN])
    declared = [header[1]] if header else []
    declared += [meta[1].decode("ascii")] if meta else []
    for charset in (*declared, "utf-8"):
        name = _codec(charset)
        if name is None:
            continue
        try:
            return content.decode(name).replace("\x00", "\ufffd")
        except (LookupError, ValueError):  # LookupError: base64 and its like are codecs, but not of text
            continue
    return content.decode("cp1252", errors="replace").replace("\x00", "\ufffd")


def looks_like_html(content: bytes, content_type: str) -> bool:
    """Whether an answer is a page: by its media type, or by its first bytes when the server names none."""
    media = content_type.partition(";")[0].strip().lower()
    if media:
        return media in {"text/html", "application/xhtml+xml"}
    return re.search(rb"<(?:!doctype\s+html|html|head|body|title|meta)\b", content[:1024], re.IGNORECASE) is not None


def _codec(charset: str) -> str | None:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    if name.replace("_", "-") in _NOT_CHARSETS:
        return None
    return "cp1252" if name in _WINDOWS else name
