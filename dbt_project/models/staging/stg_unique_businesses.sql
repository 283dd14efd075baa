select
    campaign,
    cohort_on,
    business_id,
    sourced_id,
    duplicate_of,
    excluded_reason,
    decided_at
from {{ source('lake', 'unique_businesses') }}
