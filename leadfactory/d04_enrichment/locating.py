"""Finds the day's businesses on Google by the cheapest sufficient requests: areas first, then one by one what is left.

What Google says is held in memory until the businesses of a page are visited and stored together; a kill in between loses at
most one page of an area, or one business, and nothing that was stored is asked for again.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Awaitable, Callable, Sequence

from leadfactory.d00_gateway.errors import VendorError, VendorRejected
from leadfactory.d00_gateway.places import AreaPage, PlacesClient
from leadfactory.d01_targeting import places as geography
from leadfactory.d04_enrichment import area_search, place_match
from leadfactory.d04_enrichment.place_match import Judgement, Match
from leadfactory.d04_enrichment.policy import Policy
from leadfactory.d04_enrichment.subjects import Subject


@dataclasses.dataclass(frozen=True)
class Found:
    """What Google had to say of a business: a match, or the error that kept it from being asked."""

    match: Match | None
    error: VendorError | None = None


Arrived = Callable[[list[tuple[Subject, Found]]], Awaitable[None]]


class Locator:
    """Asks Google for one day's businesses."""

    def __init__(self, places: PlacesClient, policy: Policy) -> None:
        self._places, self._policy = places, policy
        self._way, single = area_search.single_microusd(
            places.microusd("place_details_enterprise"), places.microusd("text_search_enterprise"), 1.1
        )
        self._prices = area_search.Prices(places.microusd("text_search_enterprise"), single)
        self.area_pages, self.areas_ended_by = 0, ""

    async def by_area(self, subjects: Sequence[Subject], arrived: Arrived) -> list[Subject]:
        """Buys pages of areas while they pay; ``arrived`` gets the businesses of each page. Those left over come back.

        Google being down or a spent quota ends it: who is left is looked up alone and gets the reason of its own.
        """
        left = {each.business_id: each for each in subjects}
        groups: dict[tuple[str, str], list[Subject]] = {}
        for each in subjects:
            if each.listing is not None and each.listing.latitude is not None and each.place_id is None:
                groups.setdefault((each.target, each.vertical), []).append(each)
        try:
            for members in groups.values():
                await self._target(members, left, arrived)
        except (
            VendorError
        ) as error:  # nothing was lost: what is left is asked for alone, and its error is recorded with it
            self.areas_ended_by = error.reason
        return list(left.values())

    async def _target(self, members: list[Subject], left: dict[uuid.UUID, Subject], arrived: Arrived) -> None:
        rules = self._policy.places.area
        points = [(float(each.listing.latitude), float(each.listing.longitude)) for each in members if each.listing]  # type: ignore[arg-type]
        for kind in sorted(members[0].types):
            seen = area_search.Yield()
            for tile in area_search.tiles(points, rules):
                here = [members[i] for i in tile.members]
                page: str | None = None
                for _ in range(rules.pages):
                    open_ = [each for each in here if each.business_id in left]
                    expected = area_search.expected_matches(tile, len(open_), seen, rules)
                    if len(open_) < rules.least_businesses or not area_search.worth(expected, self._prices, rules):
                        break
                    answer = await self._places.search_area(
                        _words(kind, here[0].place), tile.box, included_type=kind, page=page
                    )
                    self.area_pages += 1
                    matched = self._assigned(open_, answer)
                    seen.count(len(answer.places), len(matched))
                    for subject, _ in matched:
                        del left[subject.business_id]
                    if matched:
                        await arrived(matched)
                    page = answer.next_page
                    if page is None:
                        break

    def _assigned(self, subjects: Sequence[Subject], page: AreaPage) -> list[tuple[Subject, Found]]:
        """Each place to at most one business and each business to at most one place, the surest pairs first."""
        rules = self._policy.match
        pairs: list[tuple[float, int, int, Judgement]] = []
        for i, subject in enumerate(subjects):
            for j, place in enumerate(page.places):
                judged = place_match.judge(subject.wanted, place, rules)
                if judged.accepted(rules):
                    pairs.append((-judged.confidence, i, j, judged))
        of_subject, of_place = dict[int, Judgement](), set[int]()
        for _, i, j, judged in sorted(pairs, key=lambda pair: pair[:3]):
            if i not in of_subject and j not in of_place:
                of_subject[i] = judged
                of_place.add(j)
        return [(subjects[i], Found(Match("matched", judged))) for i, judged in sorted(of_subject.items())]

    async def alone(self, subject: Subject) -> Found:
        """Looks up one business: by the id that is known of it, or by name and door."""
        try:
            return Found(await self._alone(subject))
        except VendorError as error:
            return Found(None, error)

    async def _alone(self, subject: Subject) -> Match:
        rules = self._policy
        if subject.place_id is not None:
            try:
                known = place_match.best(subject.wanted, [await self._places.details(subject.place_id)], rules.match)
            except VendorRejected as error:
                if error.reason != "not_found":  # an id may have gone stale: it is looked for anew
                    raise
            else:
                if known.verdict == "matched":
                    return known
        listing = subject.wanted.listing
        query = ", ".join(filter(None, (listing.name, listing.street, listing.city, listing.zip_code)))
        where = {"latitude": listing.latitude, "longitude": listing.longitude}
        if None in where.values():
            where = {}
        most = rules.places.single.candidates
        if self._way == "one_step":
            found = await self._places.search_text(
                query, **where, radius_m=rules.places.single.radius_m, page_size=most
            )
            return place_match.best(subject.wanted, found, rules.match)
        ids = await self._places.search_ids(query, **where, radius_m=rules.places.single.radius_m, page_size=most)
        candidates = []
        for place_id in ids[:most]:
            try:
                candidates.append(await self._places.details(place_id))
            except VendorRejected as error:
                if error.reason != "not_found":
                    raise
                continue
            match = place_match.best(subject.wanted, candidates, rules.match)
            if match.verdict == "matched":
                return match
        return place_match.best(subject.wanted, candidates, rules.match)


def _words(kind: str, place: geography.Place) -> str:
    """What is looked for. A ZIP code or a city in the words keeps the neighbours' places behind those of the target."""
    trade = kind.replace("_", " ")
    return f"{trade} in {place.location}" if place.kind in {"zip", "city"} else trade
