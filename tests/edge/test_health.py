"""Health tells whether the edge can work, and no more."""

from __future__ import annotations

import asyncio
import socket
import time

from starlette.testclient import TestClient

from edge.app import create_app
from edge.health import Readiness
from leadfactory.database import Database


def test_a_reachable_database_at_head_is_well(world):
    answer = world.client.get("/health")
    well = {"status": "ok", "database": "ok", "migrations": "ok", "disk": "ok"}
    assert (answer.status_code, answer.json()) == (200, well)
    assert world.client.get("/health/ready").json() == well


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
    app = create_app(config, db=lost)
    app.state.readiness = Readiness(lost, config.home, within_s=30)
    client = TestClient(app)
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["database"]) == (503, "unreachable")
    assert "127.0.0.1" not in answer.text
    assert client.post("/webhooks/sendgrid", content=b"[]").status_code == 503
    assert client.get("/health/live").status_code == 200  # it lives: a restart would not bring the database back


def test_a_database_that_does_not_answer_does_not_hold_the_answer_up(config):
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and says nothing
        deaf = Database(f"postgresql://nobody:secret@127.0.0.1:{silent.getsockname()[1]}/none")
        app = create_app(config, db=deaf)
        began = time.perf_counter()
        answer = asyncio.run(_asked(app))
        took = time.perf_counter() - began
    assert answer == {"database": "slow", "migrations": "unknown", "disk": "ok"}
    assert took < 5  # the connection's own limit; what is waited for is a constant


async def _asked(app) -> dict[str, str]:
    began = time.perf_counter()
    found = await app.state.readiness.look()
    assert time.perf_counter() - began < 1, "WITHIN_S is far less"
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    return found
