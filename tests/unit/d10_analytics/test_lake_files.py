"""A file of the lake is whole at every moment."""

from __future__ import annotations

from pathlib import Path

import pytest

from leadfactory.d10_analytics import lake_files


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    assert lake_files.put(str(tmp_path), "a/b/c.parquet", b"new")
    assert lake_files.get(str(tmp_path), "a/b/c.parquet") == b"new"


def test_a_reader_keeps_the_file_that_it_opened(tmp_path: Path) -> None:
    lake_files.put(str(tmp_path), "c.parquet", b"old")
    with (tmp_path / "c.parquet").open("rb") as reader:
        lake_files.put(str(tmp_path), "c.parquet", b"new")
        assert reader.read() == b"old"


def test_the_same_bytes_leave_the_file_alone(tmp_path: Path) -> None:
    lake_files.put(str(tmp_path), "c.parquet", b"same")
    before = (tmp_path / "c.parquet").stat()
    assert not lake_files.put(str(tmp_path), "c.parquet", b"same")
    assert (tmp_path / "c.parquet").stat().st_ino == before.st_ino


def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "c.parquet").mkdir()
    with pytest.raises(OSError):
        lake_files.put(str(tmp_path), "c.parquet", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["c.parquet"]


def test_a_file_url_is_a_folder_of_this_machine(tmp_path: Path) -> None:
    lake_files.put(f"file://{tmp_path}", "c.parquet", b"new")
    assert (tmp_path / "c.parquet").read_bytes() == b"new"


def test_a_lake_never_written_has_no_manifest(tmp_path: Path) -> None:
    assert lake_files.manifest_sha256(str(tmp_path)) is None
