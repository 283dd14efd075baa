select
    campaign,
    cohort_on,
    delivery_id,
    kind,
    report_id,
    purchase_id,
    business_id,
    state,
    reason,
    planned_at,
    claimed_at,
    settled_at,
    delivered_at,
    bounced_at
from {{ source('lake', 'report_deliveries') }}
