-- One row per attempt of a vendor call. Calls of no campaign have neither campaign nor cohort day.
select
    call_id,
    vendor,
    endpoint,
    campaign as campaign_id,
    cohort_on,
    occurred_on,
    asset,
    business_id,
    attempt,
    units,
    status,
    http_status,
    reason,
    {{ left_the_house() }} as left_the_house,
    cache_hit,
    settled_at is not null as is_settled,
    latency_ms,
    reserved_microusd,
    ({{ cost_of_call() }})::bigint as vendor_cost_microusd,
    started_at,
    settled_at
from {{ ref('stg_vendor_calls') }}
