select
    campaign,
    cohort_on,
    business_id,
    experiment,
    version,
    arm,
    bucket,
    exposed_at,
    assigned_at
from {{ source('lake', 'experiment_assignments') }}
