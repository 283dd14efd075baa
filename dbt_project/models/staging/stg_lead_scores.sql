select
    campaign,
    cohort_on,
    business_id,
    version,
    score,
    tier,
    qualified,
    reason,
    rank,
    rules_version,
    scored_at
from {{ source('lake', 'lead_scores') }}
