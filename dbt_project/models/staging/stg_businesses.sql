select
    business_id,
    first_campaign,
    first_cohort_on,
    registered_at
from {{ source('lake', 'businesses') }}
