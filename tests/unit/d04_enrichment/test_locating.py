"""How the day's businesses are asked for: what is bought, what it costs, and who is left unmatched."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid

import pytest

from leadfactory.d00_gateway.errors import VendorError, VendorRejected, VendorUnavailable
from leadfactory.d00_gateway.places import AreaPage
from leadfactory.d01_targeting import places as geography
from leadfactory.d02_sourcing.listings import Listing
from leadfactory.d04_enrichment.locating import Found, Locator
from leadfactory.d04_enrichment.policy import policy
from leadfactory.d04_enrichment.subjects import Subject

PLACE = geography.find(geography.PlaceSpec("zip", "10001"))
PRICES = {"text_search_enterprise": 35_000, "place_details_enterprise": 20_000, "text_search_ids_only": 0}
NAMES = ["Alder", "Birch", "Cedar", "Damson", "Elm", "Fir", "Gorse", "Hazel", "Iris", "Juniper"]


def subject(number: int, **changes) -> Subject:
    name = f"{NAMES[number % 10]} {NAMES[number // 10 % 10]} Kitchen"
    listing = Listing(
        uuid.UUID(int=number + 1), number, name, "New York", f"{number + 1} W 30th St", "10001", f"+1212555{number:04d}",
        40.745 + (number % 12) * 0.0008, -73.99 + (number // 12) * 0.0008, True, "NY",
    )  # fmt: skip
    known = {"target": "t", "vertical": "restaurant", "types": frozenset({"restaurant"})}
    return Subject(uuid.UUID(int=1_000 + number), listing, PLACE, **known | changes)


def place(number: int, **changes) -> dict:
    at = subject(number).listing
    parts = [
        (str(number + 1), "street_number"),
        ("W 30th St", "route"),
        ("New York", "locality"),
        ("NY", "administrative_area_level_1"),
        ("10001", "postal_code"),
    ]
    return {
        "id": f"P{number}", "displayName": {"text": at.name}, "internationalPhoneNumber": at.phone, "types": ["restaurant"],
        "location": {"latitude": at.latitude, "longitude": at.longitude},
        "addressComponents": [{"longText": text, "shortText": text, "types": [kind]} for text, kind in parts],
    } | changes  # fmt: skip


@dataclasses.dataclass
class Google:
    """Google with these places, in this order; ``down`` is raised by the methods that it names."""

    places: list[dict]
    down: dict[str, VendorError] = dataclasses.field(default_factory=dict)
    asked: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    spent: int = 0

    def microusd(self, item: str) -> int:
        return PRICES[item]

    def _ask(self, method: str, what: str, item: str) -> None:
        self.asked.append((method, what))
        if method in self.down:
            raise self.down[method]
        self.spent += PRICES[item]

    async def search_area(self, query, box, *, included_type, page=None):
        self._ask("area", query, "text_search_enterprise")
        inside = [
            each for each in self.places
            if included_type in each["types"] and box.south <= each["location"]["latitude"] <= box.north
            and box.west <= each["location"]["longitude"] <= box.east
        ][:60]  # fmt: skip
        start = int(page or 0)
        return AreaPage(inside[start : start + 20], str(start + 20) if start + 20 < len(inside) else None)

    async def search_ids(self, query, *, latitude=None, longitude=None, radius_m=None, page_size=3):
        self._ask("ids", query, "text_search_ids_only")
        named = query.split(",")[0]
        return [each["id"] for each in self.places if each["displayName"]["text"] == named][:page_size]

    async def details(self, place_id):
        self._ask("details", place_id, "place_details_enterprise")
        for each in self.places:
            if each["id"] == place_id:
                return each
        raise VendorRejected("places", "places/details", "not_found", status=404)


def located(google: Google, subjects: list[Subject]) -> dict[int, Found]:
    """Everybody looked for, as a day does it."""

    async def run() -> dict[int, Found]:
        locator, found = Locator(google, policy()), {}  # type: ignore[arg-type]

        async def arrived(page):
            found.update({each.business_id.int - 1_000: got for each, got in page})

        for each in await locator.by_area(subjects, arrived):
            found[each.business_id.int - 1_000] = await locator.alone(each)
        return found

    return asyncio.run(run())


def matched(found: dict[int, Found]) -> dict[int, str]:
    return {number: got.match.place["id"] for number, got in found.items() if got.match and got.match.place}


def test_where_most_places_are_businesses_of_the_day_areas_find_them_for_a_fraction():
    google = Google([place(n) for n in range(80)])
    found = located(google, [subject(n) for n in range(60)])
    assert matched(found) == {n: f"P{n}" for n in range(60)}
    assert google.spent < 0.4 * 60 * PRICES["place_details_enterprise"]


def test_a_handful_is_looked_up_one_by_one():
    google = Google([place(n) for n in range(80)])
    assert matched(located(google, [subject(n) for n in range(4)])) == {n: f"P{n}" for n in range(4)}
    assert {method for method, _ in google.asked} == {"ids", "details"}


def test_an_area_full_of_others_is_given_up_after_a_page_or_two():
    crowd = [
        place(n, id=f"other{n}", displayName={"text": f"Unrelated {n}"}, internationalPhoneNumber=f"+1646555{n:04d}")
        for n in range(90)
    ]
    google = Google(crowd + [place(n) for n in range(30)])
    found = located(google, [subject(n) for n in range(30)])
    assert len(matched(found)) == 30
    assert 1 <= sum(method == "area" for method, _ in google.asked) <= 2


def test_one_that_the_areas_did_not_show_is_looked_up_alone():
    hidden = place(7, types=["store"])
    google = Google([place(n) for n in range(40) if n != 7] + [hidden])
    assert matched(located(google, [subject(n) for n in range(40)]))[7] == "P7"
    assert ("details", "P7") in google.asked


def test_one_place_is_not_two_businesses_of_a_page():
    google = Google([place(0)])
    twins = [
        subject(0),
        dataclasses.replace(subject(0), business_id=uuid.UUID(int=1_050)),
        *(subject(n) for n in range(1, 25)),
    ]
    page = AreaPage([place(0)], None)
    assert len(Locator(google, policy())._assigned(twins, page)) == 1  # type: ignore[arg-type]


def test_a_business_without_a_pin_is_looked_up_alone():
    google = Google([place(n) for n in range(30)])
    listing = dataclasses.replace(subject(3).listing, latitude=None, longitude=None)
    others = [subject(n) for n in range(30) if n != 3]
    assert matched(located(google, [*others, dataclasses.replace(subject(3), listing=listing)]))[3] == "P3"


@pytest.mark.parametrize("reason", ["daily_limit", "rate_limited", "budget", "breaker_open"])
def test_a_spent_quota_ends_the_areas_and_each_business_says_so(reason):
    spent = VendorUnavailable("places", "places:searchText", reason, status=429)
    google = Google([place(n) for n in range(40)], down={"area": spent, "ids": spent})
    found = located(google, [subject(n) for n in range(40)])
    assert {got.error.reason for got in found.values()} == {reason}
    assert sum(method == "area" for method, _ in google.asked) == 1


def test_the_same_name_in_another_city_is_refused_and_the_next_candidate_is_looked_at():
    far = place(0, id="far", location={"latitude": 37.2, "longitude": -93.3}, internationalPhoneNumber="+14175550100")
    far["addressComponents"] = [{"longText": "MO", "shortText": "MO", "types": ["administrative_area_level_1"]}]
    assert matched(located(Google([far, place(0)]), [subject(0)])) == {0: "P0"}
    alone = located(Google([far]), [subject(0)])[0].match
    assert (alone.verdict, alone.best.place["id"], alone.best.veto) == ("vetoed", "far", "another_state")


def test_no_more_candidates_are_paid_for_than_configured():
    crowd = [place(0, id=f"no{n}", internationalPhoneNumber=f"+1646555{n:04d}", addressComponents=[]) for n in range(9)]
    google = Google(crowd)
    located(google, [subject(0)])
    assert sum(method == "details" for method, _ in google.asked) == policy().places.single.candidates


def test_an_id_that_is_known_needs_no_search():
    google = Google([place(0)])
    assert matched(located(google, [subject(0, place_id="P0")])) == {0: "P0"}
    assert google.asked == [("details", "P0")]


def test_an_id_that_went_stale_is_looked_for_anew():
    google = Google([place(0)])
    assert matched(located(google, [subject(0, place_id="gone")])) == {0: "P0"}
    assert [method for method, _ in google.asked] == ["details", "ids", "details"]


def test_what_google_does_not_know_has_no_candidate():
    (found,) = located(Google([]), [subject(0)]).values()
    assert (found.match.verdict, found.match.best) == ("no_match", None)
