-- One row per day and campaign: what happened on that day, whatever the cohort.
select
    occurred_on,
    campaign_id,
    {{- sums_of_measures() }}
from {{ ref('int_funnel_days') }}
where campaign_id is not null
group by all
