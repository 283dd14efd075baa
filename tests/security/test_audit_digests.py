"""The daily digest: what was rewritten in the database, with its chain and all, does not fit what was signed."""

from __future__ import annotations

import datetime as dt
import json

import dagster as dg
import pytest
import sqlalchemy as sa

from leadfactory import audit_digests, audit_log
from leadfactory.clock import Clock
from leadfactory.settings import settings
from leadfactory_assets.auditing import audit_digest
from tests.leads import TUESDAY

KEYS = "the-new-key,the-old-key"
DAY = dt.timedelta(days=1)


@pytest.fixture
def file(tmp_path):
    return audit_digests.path(tmp_path)


def note(database, *actions):
    with database.begin() as tx:
        for action in actions:
            audit_log.record(tx, actor="operator ana", action=action, subject="s", detail={}, now=TUESDAY)


def sign(database, file, now=TUESDAY, keys=KEYS):
    with database.begin() as tx:
        return audit_digests.sign(tx, keys, file, now)


def faults(database, file, keys=KEYS):
    with database.begin() as tx:
        return audit_digests.check(tx, keys, file).problems


def rewrite(owner_database, change):
    """Changes the log as its owner and makes the whole chain anew: no hash in the database is wrong afterwards."""
    with owner_database.begin() as tx:
        tx.execute(sa.text(change))
        tx.execute(sa.text("DELETE FROM audit_chain"))
        for number, audit_id in enumerate(tx.scalars(sa.text("SELECT audit_id FROM audit_log ORDER BY 1")).all(), 1):
            tx.execute(
                sa.text("""INSERT INTO audit_chain SELECT :n, a.audit_id, audit_hash(coalesce((SELECT hash FROM audit_chain
                           WHERE link = :n - 1), ''), a) FROM audit_log a WHERE audit_id = :id"""),
                {"n": number, "id": audit_id},
            )


def test_a_digest_says_how_far_the_log_goes_and_holds_ever_after(database, file):
    note(database, "one", "two")
    digest = sign(database, file)
    assert (digest.link, digest.problems) == (2, ())
    note(database, "three")
    assert sign(database, file, TUESDAY + DAY).link == 3
    assert faults(database, file) == ()
    assert [json.loads(line)["link"] for line in file.read_text().splitlines()] == [2, 3]


def test_a_log_rewritten_with_its_chain_does_not_fit_its_digest(database, owner_database, file):
    note(database, "one", "two", "three")
    sign(database, file)
    rewrite(owner_database, "UPDATE audit_log SET actor = 'operator bob' WHERE audit_id = 2")
    with database.begin() as tx:
        assert audit_log.verify(tx).whole  # the chain alone does not show it
    (told,) = faults(database, file)
    assert "names another hash for link 3" in told


def test_a_log_cut_off_at_its_end_does_not_fit_its_digest(database, owner_database, file):
    note(database, "one", "two", "three")
    sign(database, file)
    rewrite(owner_database, "DELETE FROM audit_log WHERE audit_id = 3")
    (told,) = faults(database, file)
    assert told.endswith("names link 3, the chain ends at 2")


def test_a_digest_that_was_taken_out_of_the_database_is_still_in_the_file(database, owner_database, file):
    note(database, "one")
    sign(database, file)
    with owner_database.begin() as tx:
        tx.execute(sa.text("DELETE FROM audit_digests"))
    (told,) = faults(database, file)
    assert "but not in the database" in told


def test_a_digest_that_was_altered_or_made_up_is_signed_by_nobody(database, owner_database, file):
    note(database, "one", "two")
    sign(database, file)
    with owner_database.begin() as tx:
        tx.execute(sa.text("UPDATE audit_digests SET link = 1, hash = (SELECT hash FROM audit_chain WHERE link = 1)"))
    assert faults(database, file)[0].endswith("is signed by no key that is listed")
    file.write_text(file.read_text() + "no digest\n")
    assert any("1 lines that are no digest" in each for each in faults(database, file))


def test_a_digest_of_a_key_that_was_rotated_still_holds(database, file):
    note(database, "one")
    sign(database, file, keys="the-old-key")
    sign(database, file, TUESDAY + DAY, keys="the-new-key,the-old-key")
    assert faults(database, file) == ()
    assert "no key that is listed" in faults(database, file, keys="the-new-key")[0]


def test_the_digest_of_a_broken_log_says_so_and_is_kept(database, owner_database, file):
    note(database, "one")
    with owner_database.begin() as tx:
        tx.execute(sa.text("UPDATE audit_log SET action = 'other'"))
    assert sign(database, file).problems == ("row 1 (link 1) is not what was written",)
    with database.begin() as tx:
        assert tx.scalar(sa.select(audit_digests.audit_digests.c.problems)) == [
            "row 1 (link 1) is not what was written"
        ]


@pytest.fixture
def run(database, tmp_path, monkeypatch):
    """Runs the daily job as Dagster does."""
    monkeypatch.setenv("LEADFACTORY_HOME", str(tmp_path))
    settings.cache_clear()
    resources = {
        "db": dg.ResourceDefinition.hardcoded_resource(database),
        "clock": dg.ResourceDefinition.hardcoded_resource(Clock(TUESDAY)),
    }
    yield lambda: audit_digest.execute_in_process(resources=resources, raise_on_error=False)
    settings.cache_clear()


def test_the_daily_job_signs_a_whole_log_and_fails_on_a_broken_one(database, owner_database, run, tmp_path):
    note(database, "one")
    assert run().success
    with owner_database.begin() as tx:
        tx.execute(sa.text("DELETE FROM audit_log"))
    failed = run()
    assert not failed.success
    assert len(audit_digests.path(tmp_path).read_text().splitlines()) == 2
