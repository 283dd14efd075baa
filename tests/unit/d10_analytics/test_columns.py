"""What may leave Postgres is written down, wholly, and holds nothing personal."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
import sqlalchemy as sa

from leadfactory.d10_analytics import columns
from leadfactory.d10_analytics.columns import arrow_type, checked, policy
from leadfactory.tables import metadata
from leadfactory.yaml_config import ConfigError

PERSONAL = re.compile(
    r"email|phone|address|name|url|key|salt|hmac|hash|subject|body|preview|headline|text|wording|sender"
)
# The business's own name as its website publishes it with its page; how an address was published, of which kind it is and whether
# it takes mail (never what it is); who worded.
ALLOWED = {
    "own_name", "own_name_url", "contact_email_how", "contact_email_kind", "contact_email_check", "contact_email_check_reason", "wording",
    "sender_domain",
}  # fmt: skip
LISTED = {**policy().tables, **policy().registries}
EXPORTED = [(table, column) for table, rules in LISTED.items() for column in rules.export]
NAMED = [(table, column) for table, rules in LISTED.items() for column in rules.columns]


@pytest.fixture
def copy() -> sa.MetaData:
    """The tables of the system of record, free to be changed."""
    made = sa.MetaData(schema="leadfactory")
    for each in metadata.sorted_tables:
        each.to_metadata(made)
    return made


def test_every_table_and_column_is_decided() -> None:
    assert checked(metadata) == policy()


def test_a_new_column_needs_a_decision(copy: sa.MetaData) -> None:
    copy.tables["leadfactory.site_audits"].append_column(sa.Column("owner_mood", sa.Text))
    with pytest.raises(ConfigError, match="site_audits: owner_mood"):
        checked(copy)


def test_a_column_that_is_gone_is_named(copy: sa.MetaData) -> None:
    table = copy.tables["leadfactory.campaigns"]
    copy.remove(table)
    sa.Table(
        "campaigns",
        copy,
        *(c.copy() if hasattr(c, "copy") else c._copy() for c in table.columns if c.name != "top_share"),
    )
    with pytest.raises(ConfigError, match="campaigns: top_share"):
        checked(copy)


def test_a_new_table_needs_a_decision(copy: sa.MetaData) -> None:
    sa.Table("owner_moods", copy, sa.Column("mood", sa.Text))
    with pytest.raises(ConfigError, match="tables: owner_moods"):
        checked(copy)


def test_nothing_personal_or_secret_is_exported() -> None:
    assert [pair for pair in NAMED if PERSONAL.search(pair[1]) and pair[1] not in ALLOWED] == []


def test_no_number_moment_or_flag_is_exported_as_text() -> None:
    as_text = [columns.table(t).c[c] for t, c in EXPORTED if arrow_type(columns.table(t).c[c]) == pa.string()]
    assert [column for column in as_text if not isinstance(column.type, sa.Text | sa.Uuid)] == []


@pytest.mark.parametrize("kind", [sa.LargeBinary(), sa.JSON(), sa.ARRAY(sa.Text)], ids=str)
def test_bytes_and_free_forms_have_no_place_in_the_lake(kind: sa.types.TypeEngine) -> None:
    with pytest.raises(TypeError, match="leave it out"):
        arrow_type(sa.Column("c", kind))


def test_every_row_says_to_which_campaign_day_it_belongs() -> None:
    assert [n for n, rules in policy().tables.items() if not {"campaign", "cohort_on"} <= set(rules.columns)] == []


def test_every_omission_says_why() -> None:
    rules = [*policy().tables.values(), *policy().registries.values()]
    assert all(reason for each in rules for reason in each.leave.values())
