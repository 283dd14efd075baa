select
    campaign,
    cohort_on,
    entry_id,
    posting_id,
    kind,
    account,
    amount_cents,
    currency,
    purchase_id,
    occurred_at,
    recorded_at
from {{ source('lake', 'money_entries') }}
