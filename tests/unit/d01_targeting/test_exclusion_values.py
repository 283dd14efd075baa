"""What an exclusion may name, and what a file of them says, row by row."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.d01_targeting.exclusion_values import Problem, Value, parse, parse_file
from leadfactory.keyed_hashes import KeyedHashes
from tests.examples import examples

HASHES = KeyedHashes("a key of this test")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(212) 555-0100", Value("phone", "+12125550100")),
        ("+1 212 555 0100", Value("phone", "+12125550100")),
        ("212.555.0100", Value("phone", "+12125550100")),
        ("joes.com", Value("domain", "joes.com")),
        ("https://www.Joes.com/menu?x=1", Value("domain", "joes.com")),
        ("shop.joes.co.uk", Value("domain", "joes.co.uk")),
        ("bücher.example", Value("domain", "xn--bcher-kva.example")),
        (" Ana@Joes.com ", Value("address", "ana@joes.com")),
    ],
)
def test_a_value_tells_its_kind(text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("hello", None, "neither a phone number, a domain nor"),
        ("", None, "neither"),
        ("Joe's Pizza", None, "--kind=name"),
        ("12", "phone", "phone='12' is not a phone number"),
        ("999-999", "phone", "is not a phone number"),
        ("gmail.com", None, "mail provider: exclude the address"),
        ("https://www.facebook.com/joes", None, "is a portal"),
        ("127.0.0.1", "domain", "is not a domain"),
        ("joes", "domain", "is not a domain"),
        ("-.com", "domain", "is not a domain"),
        ("ana@@joes.com", None, "is not an e-mail address"),
        ("!!!", "name", "holds no letter or digit"),
        ("x", "colour", "kind='colour' is unknown"),
    ],
)
def test_what_cannot_be_one_is_named_with_the_remedy(text, kind, told):
    with pytest.raises(ValueError, match=r".") as refused:
        parse(text, kind)
    assert told in str(refused.value)


def test_a_wrong_address_is_not_repeated():
    with pytest.raises(ValueError, match=r".") as refused:
        parse("ana@secret place.com")
    assert "secret" not in str(refused.value)


def test_a_customers_address_stands_for_its_domain_and_free_mail_does_not():
    assert HASHES.domain("joes.com") in parse("ana@joes.com", with_domain=True).hashes(HASHES)
    assert HASHES.domain("joes.com") not in parse("ana@joes.com").hashes(HASHES)
    assert HASHES.domain("gmail.com") not in parse("ana@gmail.com", with_domain=True).hashes(HASHES)


def test_a_file_is_read_by_its_header_and_each_bad_row_is_named_by_line():
    told = parse_file(
        b"\xef\xbb\xbfName;Phone;E-mail;Website\r\nAnn;(212) 555-0100;ann@joes.com;\r\n\r\nBob;12;;\r\nCarl;;;\r\n;;;joes.com\r\n"
    )
    assert told.values == (
        Value("phone", "+12125550100"), Value("address", "ann@joes.com"), Value("domain", "joes.com"),
    )  # fmt: skip
    assert [problem.line for problem in told.problems] == [4, 5]
    assert "phone='12'" in told.problems[0].what
    assert "no phone, domain or email" in told.problems[1].what
    assert told.rows == 4


def test_names_count_only_where_they_are_asked_for():
    content = "name,phone\nPronto Slice,\nCafé Zwölf,2125550100\n".encode()
    assert parse_file(content, names=True).values == (
        Value("name", "Pronto Slice"), Value("name", "Café Zwölf"), Value("phone", "+12125550100"),
    )  # fmt: skip
    assert [each.kind for each in parse_file(content).values] == ["phone"]


def test_a_plain_list_has_one_value_a_line():
    told = parse_file(b"joes.com\n2125550100\njoes.com\nnonsense\n")
    assert [each.kind for each in told.values] == ["domain", "phone"]
    assert told.problems == (Problem(4, told.problems[0].what),)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no value"),
        (b"\n\n", "holds no value"),
        (b"joes.com\n\xff\xfe", "line 2: the file is not UTF-8"),
        (b"a\x00b", "zero bytes"),
        (b"phone,domain\n", "a header and no row"),
        (b"colour,size\nred,1\n", "none of the columns 'colour', 'size' is known"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(content, told):
    with pytest.raises(ValueError, match=told):
        parse_file(content)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@examples(200)
def test_no_content_breaks_the_reader(content):
    with contextlib.suppress(ValueError):
        for value in parse_file(content, names=True).values:
            assert all(len(each) == 32 for each in value.hashes(HASHES))
