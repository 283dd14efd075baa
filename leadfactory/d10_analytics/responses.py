"""What became of a campaign-day's letters, from the folded events and what recipients asked of us. Counts of letters, not of events."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay

FIELDS = ("delivered", "opened", "clicked", "bounced", "complained", "unsubscribed", "replied")


@dataclasses.dataclass(frozen=True)
class Responses:
    """Letters of a campaign-day by what became of them; one letter may be in several.

    - ``delivered``: the recipient's mail server took it and did not return it
    - ``opened``, ``clicked``: by a person, as far as can be told; machines do not count
    - ``bounced``: returned for good
    - ``complained``: reported as spam
    - ``unsubscribed``: stopped by header, page, the vendor's list or in words
    - ``replied``: answered by a person who did not ask to stop
    """

    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    bounced: int = 0
    complained: int = 0
    unsubscribed: int = 0
    replied: int = 0


_QUERY = sa.text(
    """WITH sends AS (SELECT send_id FROM email_sends WHERE campaign = :campaign AND cohort_on = :cohort_on),
            told AS (SELECT o.* FROM send_outcomes o JOIN sends USING (send_id)),
            asked AS (SELECT DISTINCT send_id, action FROM audit_log JOIN sends USING (send_id) WHERE actor = 'recipient')
       SELECT (SELECT count(*) FROM told WHERE delivery = 'delivered') AS delivered,
              (SELECT count(*) FROM told WHERE opened_at IS NOT NULL) AS opened,
              (SELECT count(*) FROM told WHERE clicked_at IS NOT NULL) AS clicked,
              (SELECT count(*) FROM told WHERE delivery = 'bounced') AS bounced,
              (SELECT count(*) FROM told WHERE complained_at IS NOT NULL) AS complained,
              (SELECT count(*) FROM (SELECT send_id FROM told WHERE unsubscribed_at IS NOT NULL UNION
                                     SELECT send_id FROM asked WHERE action = ANY(:stops)) s) AS unsubscribed,
              (SELECT count(*) FROM asked WHERE action = 'replied') AS replied"""
)
STOPS = ["unsubscribe", "not_the_right_person", "asked_by_mail_to_stop"]


def responses(tx: sa.Connection, units: Sequence[CampaignDay]) -> dict[CampaignDay, Responses]:
    """What became of the letters of each of ``units``."""
    found = {}
    for unit in units:
        row = tx.execute(_QUERY, {"campaign": unit.campaign, "cohort_on": unit.day, "stops": STOPS}).mappings().one()
        found[unit] = Responses(**row)
    return found
