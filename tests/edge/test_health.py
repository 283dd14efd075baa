"""Health tells whether the edge can work, and no more."""

from __future__ import annotations

from starlette.testclient import TestClient

from edge.app import create_app
from leadfactory.database import Database


def test_a_reachable_database_at_head_is_well(world):
    answer = world.client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "database": "ok", "migrations": "ok"})


def test_a_schema_behind_is_not_well(world, owner_database):
    import sqlalchemy as sa

    with owner_database.begin() as tx:
        was = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    try:
        answer = world.client.get("/health")
    finally:
        with owner_database.begin() as tx:
            tx.execute(sa.text("UPDATE alembic_version SET version_num = :was"), {"was": was})
    assert (answer.status_code, answer.json()["migrations"]) == (503, "behind")


def test_a_lost_database_is_told_without_its_address(config):
    lost = Database("postgresql://nobody:secret@127.0.0.1:9/none")
    client = TestClient(create_app(config, db=lost))
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")
    assert "127.0.0.1" not in answer.text
    assert client.post("/webhooks/sendgrid", content=b"[]").status_code == 503
