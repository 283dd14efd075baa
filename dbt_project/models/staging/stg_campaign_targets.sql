select
    campaign,
    cohort_on,
    target_id,
    vertical,
    kind,
    place,
    yelp_categories,
    from_offset,
    businesses_planned,
    calls_planned,
    expected_leads,
    expected_cost_microusd,
    planned_at,
    audits_planned,
    expected_mails,
    expected_sales
from {{ source('lake', 'campaign_targets') }}
