"""This version's code runs, for real, on a schema of a later version: every table has what a migration may add, and a night passes over it.

tests/migrations/test_compatibility.py holds that migrations since a version only add. This test holds that the code of this version
is not disturbed by anything that may be added. Together: the previous version's code, which passed this test when it was the newest, runs
on the schema of the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from edge.app import create_app
from leadfactory import migrate, stage
from leadfactory.backup import purging
from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import campaigns
from leadfactory.d09_delivery.policy import policy
from leadfactory.d10_analytics import export
from leadfactory.database import Database
from leadfactory.embedded import EmbeddedServer
from leadfactory.quality import invariants
from leadfactory.settings import Settings
from sandbox.process import SandboxProcess
from tests.flow.conftest import launch, pointing_at
from tests.migrations.conftest import REVISIONS, empty, running, to  # noqa: F401 (fixtures)

pytestmark = pytest.mark.timeout(240)
LATER = "9999_later"
TABLES = """SELECT relname FROM pg_class WHERE relnamespace = 'leadfactory'::regnamespace AND relkind = 'r' AND relname <> 'alembic_version'"""


def widen(server: EmbeddedServer) -> int:
    """What migrations may add (tests/migrations/steps.py): columns that may be empty or have a default, an index, a table; how many."""
    with psycopg.connect(server.url("owner"), options="-csearch_path=leadfactory") as tx:
        names = [name for (name,) in tx.execute(TABLES).fetchall()]
        for name in names:
            tx.execute(
                f"""ALTER TABLE {name} ADD later_text text, ADD later_json jsonb NOT NULL DEFAULT '{{"new": true}}',
                    ADD later_moment timestamptz NOT NULL DEFAULT now(), ADD later_array int[], ADD later_flag boolean DEFAULT true""".encode()
            )
            tx.execute(f"CREATE INDEX ix_{name}_later ON {name} (later_moment)".encode())
        tx.execute("CREATE TABLE later (later_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, said text)")
        tx.execute("UPDATE alembic_version SET version_num = %s", [LATER])
        said = migrate.CARRIES.format(version=LATER, revision=REVISIONS[-1])
        tx.execute(f"COMMENT ON TABLE alembic_version IS {psycopg.sql.Literal(said).as_string(tx)}".encode())
    return len(names)


@pytest.fixture
def config(empty: EmbeddedServer, sandbox: SandboxProcess, tmp_path: Path) -> Iterator[Settings]:  # noqa: F811
    """A process of this version over a server that a later version has migrated."""
    to(empty, "head")
    assert widen(empty) > 60
    with pointing_at(empty.url("app"), sandbox, tmp_path / "home") as found:
        yield found


@pytest.fixture
def db(config: Settings) -> Iterator[Database]:
    found = Database.from_settings(config)
    yield found
    found.dispose()


def _counts(db: Database, unit: CampaignDay) -> dict[str, int]:
    tables = ("campaign_targets", "sourced_businesses", "unique_businesses", "enriched_businesses", "site_audits", "lead_scores",
              "email_drafts", "email_sends")  # fmt: skip
    with db.begin() as tx:
        counted = " UNION ALL ".join(
            f"SELECT '{name}' AS name, count(*) AS n FROM {name} WHERE campaign = :campaign AND cohort_on = :day"
            for name in tables
        )
        return {
            row.name: row.n for row in tx.execute(sa.text(counted), {"campaign": unit.campaign, "day": unit.day}).all()
        }


def test_a_night_with_its_mails_its_edge_its_export_and_its_upkeep_runs_on_a_later_schema(
    config: Settings, db: Database
) -> None:
    # one run, several facts: the campaign-day takes seconds
    now = config.clock.now()
    unit = launch(db, config, "one", "restaurant", campaigns.PlaceSpec("zip", "10001"), 6)

    assert migrate.upgrade(config) == []
    for name in (*stage.NIGHT, "sending"):
        stage.run(name, unit, db, config)
    counts = _counts(db, unit)
    assert {name: n for name, n in counts.items() if not n} == {}

    with TestClient(create_app(config, db=db), client=("127.0.0.1", 40000)) as client:
        assert client.get("/health/ready").status_code == 200
        page = client.get("/metrics").text
        assert 'leadfactory_businesses_processed{window="2h"} 6.0' in page
        assert [line for line in page.splitlines() if line.startswith("leadfactory_figures_failed") and not line.endswith(" 0.0")] == []  # fmt: skip
        assert client.get("/terms").status_code == 200

    exported = export.export_lake(db=db, clock=config.clock, settings=config)
    assert exported.metadata()
    purging.purge(db, config)
    with db.begin() as tx:
        broken = [each.name for each in invariants.verify(tx, now=now, cooldown_days=policy().recontact_cooldown_days) if each.broken]  # fmt: skip
    assert broken == []
