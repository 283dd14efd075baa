"""Text out of any charset."""

from __future__ import annotations

import gzip
import tracemalloc

import pytest

from leadfactory.d00_gateway.website.reading import Body, TooLarge, looks_like_html, text_of


@pytest.mark.parametrize(
    ("content", "kind", "text"),
    [
        ("Zoë".encode(), "text/html; charset=utf-8", "Zoë"),
        ("Zoë".encode(), "text/html", "Zoë"),
        ("Zoë".encode("cp1252"), "text/html", "Zoë"),
        ("Zoë – “x”".encode("cp1252"), "text/html; charset=ISO-8859-1", "Zoë – “x”"),
        (b'<meta charset="windows-1251">' + "Кафе".encode("cp1251"), "text/html", '<meta charset="windows-1251">Кафе'),
        (b"\xef\xbb\xbfx", "text/html; charset=latin-1", "x"),
        ("\ufeffЖ".encode("utf-16-le"), "text/html", "Ж"),
        ("Zoë".encode(), "text/html; charset=nonsense", "Zoë"),
        ("Zoë".encode("cp1252"), "text/html; charset=utf-8", "Zoë"),
        (b"a\x00b", "text/html", "a\ufffdb"),
        (b"xn--\xff", "text/html; charset=idna", "xn--ÿ"),
        (b"\\x41", "text/html; charset=unicode_escape", "\\x41"),
        (b"eJw=", "text/html; charset=base64", "eJw="),
        (b"\x81\x8d", "text/html", "\ufffd\ufffd"),
    ],
)
def test_text_is_read_in_whatever_charset_it_came(content, kind, text):
    assert text_of(content, kind) == text


@pytest.mark.parametrize(
    ("kind", "content", "page"),
    [
        ("text/html", b"", True), ("TEXT/HTML;charset=x", b"", True), ("application/xhtml+xml", b"", True), ("", b"<!DOCTYPE html>", True),
        ("", b"%PDF", False), ("text/htmlx", b"<html>", False),
    ],
)  # fmt: skip
def test_a_page_is_known_by_its_type_or_without_one_by_its_first_bytes(kind, content, page):
    assert looks_like_html(content, kind) is page


def test_a_bomb_is_never_unpacked_beyond_the_limit():
    bomb = gzip.compress(b"\0" * 100_000_000)
    tracemalloc.start()
    with pytest.raises(TooLarge):
        Body("gzip", most=1_000_000).add(bomb)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000
