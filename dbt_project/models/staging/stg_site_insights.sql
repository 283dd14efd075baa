select
    campaign,
    cohort_on,
    business_id,
    audit_id,
    status,
    reason,
    retryable,
    source,
    model,
    prompt_version,
    input_tokens,
    output_tokens,
    cost_microusd,
    fetched_at
from {{ source('lake', 'site_insights') }}
