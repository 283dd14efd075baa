"""A backup has everything but secrets and vendor content, can be read by its key only, and tells when a byte of it changed."""

from __future__ import annotations

import dataclasses
import datetime as dt
import gzip
import io
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyrage
import pytest
import sqlalchemy as sa

from leadfactory.backup import catalogue, files, making, physical, programs, records, verifying
from leadfactory.backup.keys import Keys
from leadfactory.backup.making import Made
from leadfactory.backup.store import Damaged, Store
from leadfactory.backup.tables import backups
from leadfactory.database import Database
from leadfactory.settings import Settings, SettingsError
from tests.backup.conftest import SECRET_WORDS, Saved
from tests.postgres import settings_for_tests
from tests.s3 import new_bucket, objects


def plain(settings: Settings, made: Made, part: str) -> bytes:
    sink = io.BytesIO()
    Store(settings.backups).get(made.backup.part(part).path, sink, Keys.of(settings))
    return sink.getvalue()


def aged(store: Store, backup: catalogue.Backup, days: float) -> catalogue.Backup:
    """A second backup with the same files, made ``days`` ago."""
    then = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    new = catalogue.new_id(then)
    parts = {}
    for name, part in backup.parts.items():
        path = part.path.replace(backup.id, new)
        store.put_plain(path, store.get_plain(part.path))
        parts[name] = dataclasses.replace(part, path=path)
    clone = dataclasses.replace(backup, id=new, started_at=then, finished_at=then, parts=parts)
    catalogue.publish(store, clone)
    return clone


def every_file(settings: Settings) -> list[Path]:
    return [path for path in Path(settings.backups).rglob("*") if path.is_file()]


def test_a_backup_has_the_cluster_both_dumps_and_the_list_of_files(made: Made) -> None:
    assert set(made.backup.parts) == {
        "base.tar.gz", "pg_wal.tar.gz", "backup_manifest", "leadfactory.dump", "dagster.dump", "files.json", "facts.json",
    }  # fmt: skip


def test_its_row_tells_where_its_recovery_begins_and_ends(made: Made, database: Database) -> None:
    records.begin(database, made.backup.id, "full", made.backup.started_at)
    records.done(database, made.backup)
    with database.begin() as tx:
        row = tx.execute(sa.select(backups)).one()
    assert (row.id, row.ok, row.kind, row.bytes) == (made.backup.id, True, "full", made.backup.bytes)
    assert (row.wal_from, row.wal_to) == (made.backup.wal_from, made.backup.wal_to)


def test_it_verifies_and_the_row_says_when(made: Made, filled: Settings, store: Store, database: Database) -> None:
    verdict = verifying.verify(filled, store, made.backup)
    records.verified(database, made.backup, verdict.problems, verdict.at)
    assert verdict.problems == []
    with database.begin() as tx:
        assert tx.scalar(sa.select(backups.c.verified_at)) == verdict.at


def test_every_lake_file_and_blob_is_in_it(made: Made, filled: Settings, store: Store) -> None:
    saved = {(each.area, each.path): each for each in files.listed(plain(filled, made, "files.json"))}
    blob = saved["blobs", "ab/abcd"]
    assert files.content_of(store, Keys.of(filled), made.backup.key, blob) == b"content of ab/abcd"
    assert ("lake", "purchases/date=2026-10-06/a.parquet") in saved
    assert ("configuration", "config/vendors.yaml") in saved


def test_a_second_backup_stores_no_content_again(made: Made, filled: Settings) -> None:
    assert made.backup.added > 0
    assert making.make(filled, db=None).backup.added == 0


def test_nothing_in_the_store_can_be_read_without_the_key(made: Made, filled: Settings) -> None:
    stranger = pyrage.x25519.Identity.generate()
    for path in every_file(filled):
        if path.name != catalogue.CONTENTS:
            with pytest.raises(pyrage.DecryptError):
                pyrage.decrypt(path.read_bytes(), [stranger])


def test_another_program_that_knows_age_reads_it(made: Made, filled: Settings) -> None:
    path = Path(filled.backups) / made.backup.part("leadfactory.dump").path
    identity = pyrage.x25519.Identity.from_str((filled.home / "backup.key").read_text().strip())
    assert pyrage.decrypt(path.read_bytes(), [identity]).startswith(b"PGDMP")


def test_it_lists_the_secrets_by_name_and_fingerprint_and_has_none_of_them(
    filled: Settings, database: Database
) -> None:
    secret = "whsec_a-secret-of-the-factory"
    with_secret = filled.model_copy(update={"stripe_webhook_secret": type(filled.stripe_webhook_secret)(secret)})
    made = making.make(with_secret, db=database)
    told = json.loads(plain(filled, made, "facts.json"))
    listed = {each["name"]: each for each in told["secrets"]}
    assert listed["STRIPE_WEBHOOK_SECRET"] == {
        "name": "STRIPE_WEBHOOK_SECRET", "set": True, "fingerprint": files.fingerprint(secret),
    }  # fmt: skip
    read = b"".join(
        plain(filled, made, part) for part in ("facts.json", "files.json", "leadfactory.dump", "dagster.dump")
    )
    assert secret.encode() not in read


def test_vendor_content_is_in_no_part_of_it(saved: Saved, made: Made, filled: Settings) -> None:
    assert saved.content_rows == 500  # it was there while the backup was made
    words = SECRET_WORDS.encode()
    for name in made.backup.parts:
        content = plain(filled, made, name)
        inside = gzip.decompress(content) if name.endswith(".gz") else content
        assert words not in inside, name
    dump = filled.home / "read.dump"
    dump.write_bytes(plain(filled, made, "leadfactory.dump"))
    assert SECRET_WORDS not in programs.run(made.backup.major, "pg_restore", "--file=-", str(dump))


@pytest.mark.parametrize("part", ["base.tar.gz", "pg_wal.tar.gz", "backup_manifest", "leadfactory.dump", "files.json"])
def test_one_changed_byte_of_a_part_is_found(made: Made, filled: Settings, store: Store, part: str) -> None:
    path = Path(filled.backups) / made.backup.part(part).path
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)
    assert part in verifying.verify(filled, store, made.backup).problems[0]


def test_a_lost_content_is_found(made: Made, filled: Settings, store: Store) -> None:
    saved = files.listed(plain(filled, made, "files.json"))
    blob = next(each for each in saved if each.area == "blobs")
    path = files.object_path(Keys.of(filled), blob.sha256)
    store.remove(path)
    assert verifying.verify(filled, store, made.backup).problems == [f"{path} is gone from {filled.backups}"]


def test_a_changed_cluster_file_is_found_by_the_manifest(made: Made, filled: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "cluster"
    folder.mkdir()
    for name in ("base.tar.gz", "pg_wal.tar.gz", "backup_manifest"):
        (folder / name).write_bytes(plain(filled, made, name))
    assert physical.verify(made.backup.major, folder)[1] == []
    archive = bytearray(gzip.decompress((folder / "base.tar.gz").read_bytes()))
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        at = opened.getmember("PG_VERSION").offset_data
    archive[at : at + 2] = b"17"
    (folder / "base.tar.gz").write_bytes(gzip.compress(archive, compresslevel=1))
    assert any("PG_VERSION" in problem for problem in physical.verify(made.backup.major, folder)[1])


def test_the_newest_good_one_is_taken_when_the_newest_is_damaged(made: Made, filled: Settings, store: Store) -> None:
    newer = aged(store, made.backup, -1)
    (Path(filled.backups) / newer.part("base.tar.gz").path).write_bytes(b"")
    assert verifying.newest_good(filled, store).backup.id == made.backup.id


def test_a_new_key_encrypts_and_the_old_one_still_reads_while_it_is_listed(
    made: Made, filled: Settings, store: Store
) -> None:
    old = (filled.home / "backup.key").read_text().strip()
    new = str(pyrage.x25519.Identity.generate())
    both = filled.model_copy(update={"backup_keys": type(filled.backup_keys)(f"{new},{old}")})
    newer = making.make(both, db=None)
    only_new = filled.model_copy(update={"backup_keys": type(filled.backup_keys)(new)})
    assert verifying.verify(both, store, made.backup).problems == []
    assert verifying.verify(only_new, store, newer.backup).problems == []
    assert "LEADFACTORY_BACKUP_KEYS" in verifying.verify(only_new, store, made.backup).problems[0]


def test_production_without_a_key_makes_no_backup(filled: Settings) -> None:
    with pytest.raises(SettingsError, match="LEADFACTORY_BACKUP_KEYS is missing"):
        Keys.of(filled.model_copy(update={"env": "production"}))


def test_after_thirty_days_a_backup_goes_but_the_one_that_the_window_begins_with_stays(
    made: Made, filled: Settings, store: Store
) -> None:
    old, begins = (aged(store, made.backup, days) for days in (40, 31))
    assert making.remove_old(filled, store, dt.datetime.now(dt.UTC)) == [old.id]
    left = catalogue.every(store)
    assert {one.id for one in left} == {begins.id, made.backup.id}
    assert all(verifying.verify(filled, store, one).problems == [] for one in left)


def test_contents_that_no_backup_has_any_more_are_removed(made: Made, filled: Settings, store: Store) -> None:
    aged(store, made.backup, 40)
    keys = Keys.of(filled)
    store.put(files.object_path(keys, "0" * 64), io.BytesIO(b"of a backup that is gone"), keys)
    aged(store, made.backup, 41)
    before = set(store.sizes(files.OBJECTS))
    making.remove_old(filled, store, dt.datetime.now(dt.UTC))
    assert before - set(store.sizes(files.OBJECTS)) == {files.object_path(keys, "0" * 64)}


def test_a_failed_backup_leaves_nothing_in_the_store_and_says_why(
    filled: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(filled.blobs) / "ab" / "abcd").unlink()
    (Path(filled.blobs) / "ab" / "abcd").symlink_to("/proc/self/mem")  # is a file, cannot be read
    with pytest.raises(making.BackupFailed, match="no backup was made"):
        making.make(filled, db=database)
    assert catalogue.every(Store(filled.backups)) == []
    with database.begin() as tx:
        row = tx.execute(sa.select(backups)).one()
    assert row.ok is False
    assert row.reason


def test_one_backup_at_a_time(filled: Settings) -> None:
    with making.alone(filled.home), pytest.raises(making.BackupFailed, match="another backup or restore"):
        making.make(filled, db=None)


def test_any_fsspec_store_will_do(filled: Settings) -> None:
    remote = filled.model_copy(update={"backup_url": f"memory://{filled.home.name}/backups"})
    made = making.make(remote, db=None)
    store = Store(remote.backups)
    assert catalogue.find(store, "latest").id == made.backup.id
    assert verifying.verify(remote, store, made.backup).problems == []
    store.remove_folder(catalogue.folder(made.backup.id))
    assert catalogue.every(store) == []


def listed(days_ago: int, kind: str = "full") -> catalogue.Backup:
    moment = dt.datetime(2026, 10, 31, 4, tzinfo=dt.UTC) - dt.timedelta(days=days_ago)
    name = f"{moment:%Y%m%dT%H%M%SZ}-{kind}"
    return catalogue.Backup(name, kind, moment, moment, 18, "1", 1, "0/0", "0/0", "key", {}, 0)


def test_what_was_saved_in_an_emergency_is_restored_by_its_name_alone(tmp_path: Path) -> None:
    store, sound, damaged = Store(str(tmp_path)), listed(1), listed(0, "emergency")
    catalogue.publish(store, damaged)
    with pytest.raises(catalogue.NoBackup, match=f"emergency backups only.*{damaged.id}"):
        catalogue.find(store, "latest")
    catalogue.publish(store, sound)
    assert catalogue.find(store, "latest") == sound
    assert catalogue.before(store, damaged.finished_at + dt.timedelta(hours=1)) == sound
    assert catalogue.find(store, damaged.id) == damaged


def test_the_last_sound_backup_before_the_retention_is_kept_beside_an_emergencys_that_is_younger() -> None:
    old, damaged, fresh = listed(50), listed(40, "emergency"), listed(1)
    assert catalogue.over([listed(60), old, damaged, fresh], fresh.finished_at, days=30) == [listed(60), damaged]


def test_a_bucket_will_do(filled: Settings, s3: Any) -> None:
    bucket = new_bucket(s3)
    remote = filled.model_copy(update={"backup_url": f"s3://{bucket}/backups"})
    made = making.make(remote, db=None)
    assert set(Store(remote.backups).sizes()) == set(objects(s3, bucket, "backups/"))
    store = Store(remote.backups)
    assert verifying.verify(remote, store, made.backup).problems == []
    store.remove_folder(catalogue.folder(made.backup.id))
    assert catalogue.every(store) == []


def test_what_is_cut_short_in_the_store_is_damaged(filled: Settings, store: Store) -> None:
    keys = Keys.of(filled)
    part = store.put("a/b.age", io.BytesIO(b"x" * 100_000), keys)
    path = Path(filled.backups) / "a" / "b.age"
    path.write_bytes(path.read_bytes()[:-50_000])
    with pytest.raises(Damaged, match=r"a/b\.age"):
        store.get("a/b.age", io.BytesIO(), keys, expected=part)


def test_the_command_makes_a_backup_and_says_so_in_json(
    filled: Settings, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    told = json.loads(command("backup", "--json").stdout)
    assert [one.id for one in catalogue.every(Store(filled.backups))] == [told["id"]]


def test_the_command_verifies_and_ends_with_1_when_a_byte_is_gone(
    made: Made, filled: Settings, command: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    base = Path(filled.backups) / made.backup.part("base.tar.gz").path
    base.write_bytes(base.read_bytes()[:-1])
    damaged = command("verify-backup")
    assert (damaged.returncode, "damaged" in damaged.stdout) == (1, True)


def test_an_external_server_is_backed_up_as_its_role_for_backups(filled: Settings, postgres, tmp_path: Path) -> None:
    external = settings_for_tests(
        tmp_path / "home", LEADFACTORY_DATABASE_URL=postgres.url("app"),
        DAGSTER_DATABASE_URL=postgres.url("dagster"), LEADFACTORY_BACKUP_DATABASE_URL=postgres.url("backup"),
    )  # fmt: skip
    made = making.make(external, db=None)
    assert verifying.verify(external, Store(external.backups), made.backup).problems == []
    without = external.model_copy(update={"backup_database_url": None})
    with pytest.raises(SettingsError, match="LEADFACTORY_BACKUP_DATABASE_URL is missing"):
        making.make(without, db=None)
