select
    campaign,
    cohort_on,
    audit_id,
    happened_at,
    action,
    send_id
from {{ source('lake', 'audit_log') }}
