-- One row per vertical that a campaign may aim at, with how many do.
with campaigns as (
    select
        vertical,
        count(*) as campaigns
    from {{ ref('stg_campaigns') }}
    group by all
)

select
    verticals.vertical,
    verticals.ticket,
    verticals.urgency,
    verticals.maturity,
    verticals.yelp_categories,
    verticals.season_months,
    coalesce(campaigns.campaigns, 0)::bigint as campaigns
from {{ ref('stg_verticals') }} as verticals
left join campaigns using (vertical)
