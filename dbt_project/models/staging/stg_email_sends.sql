select
    campaign,
    cohort_on,
    send_id,
    business_id,
    step,
    draft_id,
    state,
    reason,
    timezone,
    due_at,
    expires_at,
    planned_at,
    claimed_at,
    settled_at,
    sendgrid_id,
    sender_domain
from {{ source('lake', 'email_sends') }}
