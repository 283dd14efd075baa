"""Bombs: little that a stranger sends and that would be much to unpack, parse or look through. Judged by processor time and memory."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from leadfactory.d02_sourcing import import_reading, sourcing_rules
from leadfactory.inbox import inbound
from leadfactory.inbox.inbound import Malformed
from leadfactory.inbox.reply_kinds import kind_of
from leadfactory.inbox.reply_rules import reply_rules
from leadfactory.settings import ROOT
from tests.edge.test_inbound import FORM

LARGE = 2_000_000
WITHIN_S = 8.0  # of processor time; what is quadratic takes hours
MIB = 1 << 20
TO = "reply@in.leadfactory.example"


def form(**fields: str | bytes) -> bytes:
    """A post of Inbound Parse; `file` is an attachment of that content type and content."""
    said: dict[str, str | bytes] = {
        "to": TO,
        "from": "a@b.example",
        "envelope": f'{{"to": ["{TO}"], "from": "a@b.example"}}',
    }
    parts = [b'Content-Disposition: form-data; name="%s"\r\n\r\n' % name.encode() + (value if isinstance(value, bytes) else value.encode())
             for name, value in (said | fields).items()]  # fmt: skip
    return b"".join(b"--xYzZY\r\n" + part + b"\r\n" for part in parts) + b"--xYzZY--\r\n"


def attached(content: bytes, kind: str = "application/zip") -> bytes:
    """The same with a text and an attachment."""
    head = (
        f'--xYzZY\r\nContent-Disposition: form-data; name="attachment1"; filename="a"\r\nContent-Type: {kind}\r\n\r\n'
    )
    return form(text="Please stop").replace(b"--xYzZY--", head.encode() + content + b"\r\n--xYzZY--")


def spent(what: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds that it took, and what it gave, or which error."""
    began = time.process_time()
    try:
        found = what()
    except ValueError as error:
        found = error
    return time.process_time() - began, found


def nested(depth: int) -> bytes:
    """A mail of multiparts in multiparts."""
    deep = b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(depth))
    return b"To: " + TO.encode() + b"\r\n" + deep + b"Content-Type: text/plain\r\n\r\nhello\r\n"


def zipped(size: int) -> bytes:
    """A zip that unpacks to so many zeros."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("zeros", b"\0" * size)
    return made.getvalue()


def pdf(size: int) -> bytes:
    """A PDF whose one stream unpacks to so many zeros."""
    import zlib

    stream = zlib.compress(b"\0" * size, 9)
    return b"%PDF-1.7\n1 0 obj <</Filter /FlateDecode /Length " + str(len(stream)).encode() + b">> stream\n" + stream + b"\nendstream endobj\n%%EOF"  # fmt: skip


MAILS = {
    "openings of styles that never end": {"html": "<style" * (LARGE // 6)},
    "openings of comments that never end": {"html": "<!--" * (LARGE // 4)},
    "openings of tags that never end": {"html": "<" * LARGE},
    "openings of breaks that never end": {"html": "<br " * (LARGE // 4)},
    "styles and comments by turns": {"html": "<!--<style>-->" * (LARGE // 14)},
    "endless recipients": {"to": "a@b.c," * (LARGE // 6)},
    "quotes in a recipient": {"to": '"' + '\\"' * (LARGE // 2)},
    "brackets in a recipient": {"to": "(" * LARGE},
    "brackets in a sender": {"from": "(" * LARGE},
    "endless headers": {"headers": "".join(f"X-{n}: a\n" for n in range(LARGE // 100))},
    "one endless header": {"headers": "To: " + "<" * LARGE},
    "nested JSON": {"envelope": "[" * LARGE},
    "a text without end": {"text": "on monday " * (LARGE // 10)},
    "lines without end": {"text": "on a wrote\n" * (LARGE // 11)},
    "multiparts in multiparts": {"email": nested(5000)},
    "a few multiparts, and long": {"email": nested(15) + b"hi\r\n" * (LARGE // 4)},
}  # fmt: skip


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_that_is_made_to_be_costly_is_read_or_refused_soon(name: str) -> None:
    body = form(**MAILS[name])

    def judged() -> str:
        return kind_of(inbound.read(FORM["Content-Type"], body), reply_rules())

    seconds, found = spent(judged)
    assert seconds < WITHIN_S
    assert found in {"reply", "bounce", "out_of_office", "stop"} or isinstance(found, Malformed)


def test_a_wish_to_stop_behind_a_comment_that_never_ends_is_heard() -> None:
    mail = inbound.read(FORM["Content-Type"], form(html="<!-- <style><p>unsubscribe"))
    assert kind_of(mail, reply_rules()) == "stop"


def test_what_is_hidden_in_styles_scripts_and_comments_is_nobodys_word() -> None:
    mail = inbound.read(FORM["Content-Type"], form(html="<STYLE>.stop{}</style><p>Hello</p><!-- stop --><script>stop</script>"))  # fmt: skip
    assert mail.text.split() == ["Hello"]


@pytest.mark.parametrize(
    ("kind", "bomb"),
    [("application/zip", zipped(200 * MIB)), ("application/pdf", pdf(200 * MIB)), ("application/gzip", gzip.compress(b"\0" * 200 * MIB)),
     ("multipart/mixed; boundary=b0", nested(5000)), ("message/rfc822", nested(5000))],
    ids=["zip", "PDF", "gzip", "multipart", "mail"],
)  # fmt: skip
def test_an_attachment_is_never_opened_and_what_stands_beside_it_is_read(kind: str, bomb: bytes) -> None:
    body = attached(bomb, kind)
    tracemalloc.start()
    seconds, mail = spent(lambda: inbound.read(FORM["Content-Type"], body))
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kind_of(mail, reply_rules()) == "stop"
    assert seconds < WITHIN_S
    assert most < 6 * len(body) + 8 * MIB


def _csv(path: Path, line: str) -> Path:
    path.write_text("name,phone\n" + line)
    return path


def _read_all(path: Path) -> list[Any]:
    source = import_reading.open_source(path, mapping={"name": "name"})
    return list(import_reading.rows(source))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a thousandth of the committed ones, so that what must stop soon is no gigabyte."""
    whole = sourcing_rules.rules()
    imports = whole.imports.model_copy(update={"most_rows": 1000, "most_bytes": 2_000_000})
    monkeypatch.setattr(import_reading, "rules", lambda: whole.model_copy(update={"imports": imports}))


def test_a_line_without_end_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    path = _csv(tmp_path / "a.csv", "x" * 64 * MIB)
    tracemalloc.start()
    with pytest.raises(import_reading.FileRefused, match="line 2 has more than"):
        _read_all(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 24 * MIB


def test_a_heading_without_end_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x" * 64 * MIB)
    with pytest.raises(import_reading.FileRefused, match="line 1 has more than"):
        _read_all(path)


def test_more_rows_than_may_be_are_refused_by_a_parquet_files_own_word(tmp_path: Path, few: None) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["a"] * 1_000_000}), path)
    assert path.stat().st_size < 20_000
    with pytest.raises(import_reading.FileRefused, match=r"has 1000000 rows, more than imports\.most_rows"):
        _read_all(path)


def test_a_parquet_file_that_unpacks_to_more_than_may_be_is_refused_unread(tmp_path: Path, few: None) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"name": ["a" * 100_000 + str(n) for n in range(100)]}), path, compression="zstd", use_dictionary=False)  # fmt: skip
    assert path.stat().st_size < 200_000
    with pytest.raises(import_reading.FileRefused, match="unpacks to"):
        _read_all(path)


READ = """import resource, sys
from pathlib import Path
from leadfactory.d02_sourcing import import_reading
import pyarrow.parquet, pyarrow.compute
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
source = import_reading.open_source(Path(sys.argv[1]), mapping={"name": "name"})
print({wrong for _, _, wrong in import_reading.rows(source)})
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_one_long_value_in_every_row_of_a_parquet_file_is_never_multiplied(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000), pa.array(["a" * MIB]))  # 5 GiB in 1 MiB
    pq.write_table(pa.table({"name": rows}), path, store_schema=False, dictionary_pagesize_limit=4 * MIB)
    assert path.stat().st_size < 2 * MIB
    done = subprocess.run([sys.executable, "-c", READ, str(path)], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    wrong, grown_kib = done.stdout.splitlines()
    assert wrong == "{'holds a field of more than 2000 letters: split it or leave the column out'}"
    assert int(grown_kib) < 200 * 1024


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.csv.gz", "a.xlsx"])
def test_a_packed_file_is_never_unpacked(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"\0" * 50 * MIB) if name.endswith("gz") else zipped(50 * MIB))
    seconds, found = spent(lambda: _read_all(path))
    assert isinstance(found, import_reading.FileRefused)
    assert seconds < WITHIN_S
