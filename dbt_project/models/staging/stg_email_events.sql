select
    campaign,
    cohort_on,
    event_id,
    send_id,
    business_id,
    kind,
    occurred_at,
    bounce_type,
    bounce_classification,
    machine,
    bot_reason,
    received_at
from {{ source('lake', 'email_events') }}
