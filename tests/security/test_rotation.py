"""Secrets change while everything runs: two live values in between, nothing signed under the old one is lost."""

from __future__ import annotations

import shutil
import tempfile
import threading
import uuid
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from leadfactory import embedded, secret_rotation
from leadfactory.database import Database, secured
from leadfactory.keyed_hashes import KeyedHashes
from leadfactory.secret_rotation import KINDS, NotRotated
from leadfactory.settings import Settings
from leadfactory.tokens import TokenError, Tokens
from tests.postgres import settings_for_tests

SECRET = {name: str(field.validation_alias) for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}  # fmt: skip


@pytest.fixture
def mounted(tmp_path, monkeypatch):
    """Puts a secret into a mounted file."""

    def put(what, value):
        file = tmp_path / what
        file.write_text(value + "\n")
        monkeypatch.delenv(KINDS[what].variable, raising=False)
        monkeypatch.setenv(f"{KINDS[what].variable}_FILE", str(file))
        return file

    return put


def step(what, name, value=None, **more):
    return secret_rotation.rotate(KINDS[what], name, value, **more)


def test_links_of_every_step_are_read_by_the_processes_of_every_step(mounted):
    file, send = mounted("secret-key", "the-old-key"), uuid.uuid4()
    stages = [Tokens(file.read_text())]
    for name in ("add", "promote"):
        step("secret-key", name)
        stages.append(Tokens(file.read_text()))
    old, added, promoted = stages
    links = [tokens.sign("unsubscribe", send) for tokens in stages]
    for reader in (added, promoted):
        assert [reader.read("unsubscribe", link) for link in links] == [send] * 3
    assert [old.read("unsubscribe", link) for link in links[:2]] == [
        send
    ] * 2  # nobody uses the new key before all know it
    with pytest.raises(TokenError):
        old.read("unsubscribe", links[2])


def test_the_old_signing_key_is_never_taken_out(mounted):
    mounted("secret-key", "new,old")
    with pytest.raises(NotRotated, match="unsubscribe links under it live for ever"):
        step("secret-key", "retire")


def test_suppressions_do_not_depend_on_the_key_that_signs(mounted):
    file = mounted("secret-key", "old")
    before = KeyedHashes(settings_for_tests(Path("/x")).suppression_key.get_secret_value()).address("a@b.example")
    step("secret-key", "add")
    step("secret-key", "promote")
    config = settings_for_tests(Path("/x"), LEADFACTORY_SIGNING_KEYS=file.read_text().strip())
    assert KeyedHashes(config.suppression_key.get_secret_value()).address("a@b.example") == before
    assert not any("SUPPRESSION" in kind.variable for kind in KINDS.values())


def test_a_webhooks_secret_has_two_values_until_the_old_one_is_retired(mounted):
    file = mounted("stripe-webhook", "whsec_old")
    step("stripe-webhook", "add", "whsec_new")
    assert file.read_text().strip() == "whsec_old,whsec_new"
    step("stripe-webhook", "promote")
    step("stripe-webhook", "retire")
    assert file.read_text().strip() == "whsec_new"


def test_a_backup_key_is_made_and_the_older_backups_still_open(mounted):
    import io

    from leadfactory.backup.keys import Keys

    file = mounted("backup-key", secret_rotation._age())
    sealed = io.BytesIO()
    Keys(file.read_text().strip().split(",")).encrypt(io.BytesIO(b"whole"), sealed)
    step("backup-key", "add")
    step("backup-key", "promote")
    keys, opened = Keys(file.read_text().strip().split(",")), io.BytesIO()
    keys.decrypt(io.BytesIO(sealed.getvalue()), opened)
    assert opened.getvalue() == b"whole"


def test_a_vendors_key_is_replaced_by_one_rename_and_read_by_its_owner_alone(mounted):
    file = mounted("yelp", "old-key")
    told = step("yelp", "add", "new-key")
    assert file.read_text() == "new-key\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert "new-key" not in str(told)


@pytest.mark.parametrize("value", ["", "two,values", "two words", "line\nbreak", "old-key"])
def test_what_is_no_new_value_changes_nothing(mounted, value):
    file = mounted("yelp", "old-key")
    with pytest.raises(NotRotated):
        step("yelp", "add", value)
    assert file.read_text() == "old-key\n"


def test_a_dry_run_changes_nothing(mounted):
    file = mounted("secret-key", "old")
    assert len(step("secret-key", "add", dry_run=True).after) == 2
    assert file.read_text() == "old\n"


def test_a_secret_in_the_environment_is_not_rotated_behind_its_back(monkeypatch):
    monkeypatch.setenv("LEADFACTORY_SIGNING_KEYS", "old")
    with pytest.raises(NotRotated, match="LEADFACTORY_SIGNING_KEYS_FILE"):
        step("secret-key", "add")


def test_the_command_notes_fingerprints_and_never_a_value(here, database, mounted):
    file = mounted("secret-key", "the-old-key")
    told = here("rotate-secret", "secret-key", "--json")
    new = file.read_text().strip().split(",")[1]
    with database.begin() as tx:
        (row,) = tx.execute(sa.text("SELECT action, subject, detail::text FROM audit_log")).all()
    assert (row[0], row[1]) == ("rotate_secret", "secret-key")
    assert not any(secret in text for secret in (new, "the-old-key") for text in (row[2], str(told)))
    assert "is no secret of ours" in here("rotate-secret", "suppression-key", fails=True)


@pytest.mark.parametrize("name", sorted(SECRET))
def test_every_secret_may_come_from_a_mounted_file(name, tmp_path, monkeypatch):
    file = tmp_path / "secret"
    file.write_text("from-the-file\n")
    monkeypatch.delenv(SECRET[name], raising=False)
    monkeypatch.setenv(f"{SECRET[name]}_FILE", str(file))
    assert getattr(Settings(), name).get_secret_value() == "from-the-file"


@pytest.fixture
def home():
    made = Path(tempfile.mkdtemp(prefix="lf-rot-"))
    yield made
    embedded.stop(made)
    shutil.rmtree(made, ignore_errors=True)


def test_the_databases_passwords_change_under_a_running_process_and_no_statement_is_lost(home):
    server = embedded.ensure_running(home, fast=True)
    before = server.url("app")
    db = Database.from_settings(settings_for_tests(home))
    done, failed, stop = [0], [], threading.Event()

    def work():
        while not stop.is_set():
            try:
                with db.begin() as tx:
                    tx.execute(sa.text("SELECT 1"))
                done[0] += 1
                db.dispose()  # so that every statement needs a new connection
            except (sa.exc.SQLAlchemyError, RuntimeError) as error:
                failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(3):
        embedded.rotate_passwords(home)
    stop.wait(0.5)
    stop.set()
    thread.join(30)
    db.dispose()
    assert failed == []
    assert done[0] > 3
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(before)


def test_the_password_in_a_mounted_url_is_read_again_when_the_old_one_is_refused(
    postgres, tmp_path, monkeypatch, database
):
    good = postgres.url("app")
    file = tmp_path / "url"
    file.write_text(sa.engine.make_url(good).set(password="old").render_as_string(hide_password=False))
    monkeypatch.delenv("LEADFACTORY_DATABASE_URL", raising=False)
    monkeypatch.setenv("LEADFACTORY_DATABASE_URL_FILE", str(file))
    db = Database.from_settings(Settings())
    file.write_text(good)
    with db.begin() as tx:
        assert tx.scalar(sa.text("SELECT current_user")) == "lf_app"
    db.dispose()


@pytest.mark.parametrize("url", ["postgresql://u@127.0.0.1/d", "postgresql://u@localhost/d", "postgresql://u@[::1]/d", "postgresql:///d?host=/run/pg"])  # fmt: skip
def test_on_this_machine_the_database_needs_no_tls(url):
    assert "sslmode" not in secured(url).query


@pytest.mark.parametrize("url", ["postgresql://u@db.internal/d", "postgresql://u@10.0.0.5/d", "postgresql:///d?host=127.0.0.1,db.internal"])  # fmt: skip
def test_a_database_elsewhere_is_asked_for_tls(url):
    assert secured(url).query["sslmode"] == "require"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "REQUIRE"])
def test_a_database_elsewhere_without_tls_is_refused(mode):
    with pytest.raises(ValueError, match="is another machine") as error:
        secured(f"postgresql://u:secret@db.internal/d?sslmode={mode}")
    assert "secret" not in str(error.value)


def test_a_stricter_wish_than_ours_stays():
    assert secured("postgresql://u@db.internal/d?sslmode=verify-full").query["sslmode"] == "verify-full"


def test_at_run_time_nobody_is_a_superuser(postgres):
    for role in ("owner", "app", "analyst", "backup", "dagster"):
        with psycopg.connect(postgres.url(role)) as tx:
            rights = tx.execute(
                "SELECT rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert rights == (False, False, False, False), role
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                tx.execute("COPY (SELECT 1) TO PROGRAM 'true'")
