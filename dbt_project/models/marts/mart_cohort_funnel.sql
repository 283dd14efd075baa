-- One row per campaign-day, by the day of sourcing: what has become of it so far, whenever it happened.
with summed as (
    select
        campaign_id,
        cohort_on,
        {{- sums_of_measures() }}
    from {{ ref('int_funnel_days') }}
    where campaign_id is not null
    group by all
)

select
    days.cohort_on,
    days.campaign as campaign_id,
    campaigns.vertical,
    days.state,
    {{- measures_or_zero('summed') }}
from {{ ref('stg_campaign_days') }} as days
left join {{ ref('stg_campaigns') }} as campaigns using (campaign)
left join summed on days.campaign = summed.campaign_id and days.cohort_on = summed.cohort_on
