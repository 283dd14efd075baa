select
    campaign,
    vertical,
    state,
    daily_quota,
    top_share,
    starts_on,
    ends_on,
    budget_cents,
    consent_basis,
    mailer,
    created_at,
    launched_at,
    chain_policy
from {{ source('lake', 'campaigns') }}
