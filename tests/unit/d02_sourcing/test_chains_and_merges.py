"""Branches of chains go where the campaign says; merges and un-merges are rows, and no cohort is edited."""

from __future__ import annotations

import asyncio
import datetime as dt
import uuid

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from leadfactory.campaign_day import CampaignDay
from leadfactory.d01_targeting import exclusions
from leadfactory.d01_targeting.exclusion_values import Value
from leadfactory.d02_sourcing import chains, merging
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import business_merges, businesses, unique_businesses
from leadfactory.d02_sourcing.uniqueness import unify
from leadfactory.keyed_hashes import KeyedHashes
from tests.examples import examples
from tests.unit.d02_sourcing.conftest import NOW, FakeYelp, business


@pytest.fixture
def day(planned, database, clock, settings):
    def make(listed, *, policy: str | None = "all", name="shops", zips=("10001",)):
        unit = planned(quota=max(1, len(listed)), zips=zips, name=name)
        if policy is not None:
            with database.begin() as tx:
                chains.set_policy(tx, name, policy)
        asyncio.run(source(unit, db=database, clock=clock, settings=settings, yelp=FakeYelp(listed)))
        return unify(unit, db=database, clock=clock, settings=settings)

    return make


@pytest.fixture
def unique(database):
    def read(campaign="shops") -> list[sa.Row]:
        with database.begin() as tx:
            return list(tx.execute(sa.select(unique_businesses).where(unique_businesses.c.campaign == campaign)))

    return read


def branches(name: str, count: int) -> list[dict]:
    return [business(n, name=f"{name} #{n + 10}") for n in range(count)]


@pytest.mark.parametrize(
    ("policy", "left_out"), [("all", []), ("one", ["chain_branch", "chain_branch"]), ("skip", ["chain"] * 3)]
)
def test_a_listed_chain_goes_where_the_campaign_says(day, unique, policy, left_out):
    report = day([*branches("Subway", 3), business(50)], policy=policy)
    assert sorted(row.excluded_reason for row in unique() if row.excluded_reason) == left_out
    assert sum(row.evidence.get("chain") == "listed" for row in unique()) == 3
    assert report.counts["excluded as chains"] == len(left_out)


def test_a_new_campaign_leaves_chains_out(day, unique):
    day([*branches("Subway", 2), business(50)], policy=None)
    assert sorted(str(row.excluded_reason) for row in unique()) == ["None", "chain", "chain"]


@pytest.mark.parametrize(
    ("policy", "left_out"),
    [("all", []), ("one", ["chain_branch"]), ("skip", ["excluded_chains"] * 2), (None, ["excluded_chains"] * 2)],
)
def test_a_chain_on_the_operators_list_goes_where_the_campaign_says(day, unique, database, settings, policy, left_out):
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    with database.begin() as tx:
        exclusions.add(
            tx, hashes, [Value("phone", "+12125550100")], into="chains", label="test", campaign=None, now=NOW
        )
    shops = [business(n, name=name, phone="+12125550100") for n, name in ((1, "Ada Books"), (60, "Zen Bikes"))]
    day([*shops, business(50)], policy=policy)
    assert sorted(row.excluded_reason for row in unique() if row.excluded_reason) == left_out
    if policy in ("all", "one"):
        assert sum(row.evidence.get("chain") == "listed" for row in unique()) == 2


def test_one_branch_of_a_listed_chain_is_kept_over_all_days_of_a_campaign(day, unique, database, settings):
    hashes = KeyedHashes(settings.suppression_key.get_secret_value())
    with database.begin() as tx:
        exclusions.add(
            tx, hashes, [Value("phone", "+12125550100")], into="chains", label="test", campaign=None, now=NOW
        )
    day([business(1, name="Ada Books", phone="+12125550100")], policy="one")
    (kept,) = unique()
    later = CampaignDay("shops", NOW.date() + dt.timedelta(days=1))
    row = {"business_id": uuid.uuid4(), "chain_hmac": hashes.phone("+12125550100")}
    with database.begin() as tx:
        out = chains.excluded(tx, later, [row], {row["chain_hmac"]: "listed"})
    assert (kept.excluded_reason, out) == (None, {row["business_id"]: "chain_branch"})


def test_one_name_over_many_places_is_a_chain(day, unique):
    day(branches("Zorrilla Tapas", 5), policy="skip")
    assert {row.evidence.get("chain") for row in unique()} == {"counted"}
    assert {row.excluded_reason for row in unique()} == {"chain"}


def test_a_name_that_many_owners_choose_is_no_chain(day, unique):
    day([business(n, name="Golden Dragon") for n in range(8)], policy="skip")
    assert {row.excluded_reason for row in unique()} == {None}


def test_a_second_campaign_may_have_its_own_branch(day, unique):
    day(branches("Subway", 1), policy="one")
    day([business(30, name="Subway")], policy="one", name="other", zips=("10002",))
    assert [row.excluded_reason for row in unique("other")] == [None]


def two(day, database) -> tuple[uuid.UUID, uuid.UUID]:
    day([business(1), business(2)])
    with database.begin() as tx:
        one, other = tx.scalars(sa.select(businesses.c.business_id).order_by(businesses.c.business_id))
    return one, other


def test_a_merge_by_hand_is_a_row_and_edits_no_cohort(day, unique, database):
    one, other = two(day, database)
    before = unique()
    with database.begin() as tx:
        assert merging.merge(tx, one, other, reason="renamed", by="ana", now=NOW)
        assert not merging.merge(tx, one, other, reason="again", by="ana", now=NOW)
        (row,) = tx.execute(sa.select(business_merges)).all()
    assert row.evidence == {"reason": "renamed", "by": "ana"}
    assert unique() == before


def test_a_merged_business_comes_back_under_the_survivors_id(day, unique, database):
    one, other = two(day, database)
    with database.begin() as tx:
        merging.merge(tx, one, other, reason="renamed", by="ana", now=NOW)
    day([business(1), business(2)], name="later", zips=("10002",))
    (row,) = unique("later")
    assert (row.business_id, row.duplicate_of, len(row.merged_sourced_ids)) == (one, one, 1)


def test_what_was_unmerged_is_not_merged_again(day, unique, database):
    one, other = two(day, database)
    with database.begin() as tx:
        merging.merge(tx, one, other, reason="renamed", by="ana", now=NOW)
        assert merging.unmerge(tx, one, other, reason="two after all", by="ana", now=NOW)
    day([business(1), business(2)], name="later", zips=("10002",))
    assert {row.business_id for row in unique("later")} == {one, other}
    with database.begin() as tx:
        assert [row["kind"] for row in merging.history(tx, other)["merges"]] == ["merge", "unmerge"]


@pytest.mark.parametrize(
    ("pair", "error"),
    [((0, 0), "is itself"), ((0, 9), "not registered"), ((9, 0), "not registered")],
    ids=["itself", "unknown", "unknown survivor"],
)
def test_a_merge_that_makes_no_sense_is_refused(day, database, pair, error):
    known = [*two(day, database), *(uuid.uuid4() for _ in range(10))]
    with database.begin() as tx, pytest.raises((ValueError, LookupError), match=error):
        merging.merge(tx, known[pair[0]], known[pair[1]], reason="x", by="ana", now=NOW)


_ids = st.integers(1, 6).map(lambda number: uuid.UUID(int=number))
_rows = st.lists(
    st.tuples(_ids, _ids, st.sampled_from(["merge", "unmerge"])).filter(lambda row: row[0] != row[1]), max_size=12
)


@given(_rows)
@examples(200)
def test_whoever_stands_for_a_business_stands_for_itself(rows):
    state = merging.Merges.of(rows)
    for number in range(1, 7):
        kept = state.survivor(uuid.UUID(int=number))
        assert state.survivor(kept) == kept


@given(_rows)
@examples(100)
def test_repeating_the_newest_rows_changes_nothing(rows):
    assert merging.Merges.of([*rows, *rows[-1:]]) == merging.Merges.of(rows)
