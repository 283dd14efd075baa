select
    campaign,
    cohort_on,
    sourced_id,
    target_id,
    source,
    yelp_id,
    rank,
    review_band,
    excluded_reason,
    fetched_at,
    expires_at
from {{ source('lake', 'sourced_businesses') }}
