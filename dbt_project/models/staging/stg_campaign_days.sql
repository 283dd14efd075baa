select
    campaign,
    cohort_on,
    state,
    last_event_at,
    opened_at,
    closed_at
from {{ source('lake', 'campaign_days') }}
