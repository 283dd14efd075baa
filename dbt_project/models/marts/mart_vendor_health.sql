-- One row per day, vendor and endpoint: how its calls ended, how long they took, and what they used of quota and budget.
with calls as (
    select
        occurred_on,
        vendor,
        endpoint,
        count(*) filter (where left_the_house) as calls,
        count(*) filter (where cache_hit) as cache_hits,
        count(*) filter (where status = 'ok' and left_the_house) as succeeded,
        count(*) filter (where status = 'rejected') as rejected,
        count(*) filter (where status = 'unavailable') as unavailable,
        count(*) filter (where status = 'unknown') as unknown,
        count(*) filter (where status = 'started') as unsettled,
        count(*) filter (where status = 'not_sent') as not_sent,
        count(*) filter (where left_the_house and attempt > 1) as retries,
        sum(units) filter (where left_the_house) as units,
        quantile_cont(latency_ms, 0.5) filter (where left_the_house) as latency_p50_ms,
        quantile_cont(latency_ms, 0.95) filter (where left_the_house) as latency_p95_ms,
        max(latency_ms) filter (where left_the_house) as latency_max_ms,
        sum(vendor_cost_microusd) as vendor_cost_microusd
    from {{ ref('fct_vendor_calls') }}
    group by all
),

vendor_days as (
    select
        occurred_on,
        vendor,
        sum(units) as units,
        sum(sum(vendor_cost_microusd)) over (
            partition by vendor, date_trunc('month', occurred_on) order by occurred_on
        ) as month_cost_microusd
    from calls
    group by occurred_on, vendor
),

quotas as (
    select
        vendor,
        limit_units
    from {{ ref('stg_vendor_quotas') }}
    where rate = 'day'
),

budgets as (
    select
        split_part(budget, '|', 1) as vendor,
        split_part(budget, '|', 2) as month,
        cap_microusd
    from {{ ref('stg_budgets') }}
    where scope = 'vendor'
)

select
    calls.occurred_on,
    calls.vendor,
    calls.endpoint,
    calls.calls::bigint as calls,
    calls.cache_hits::bigint as cache_hits,
    calls.succeeded::bigint as succeeded,
    calls.rejected::bigint as rejected,
    calls.unavailable::bigint as unavailable,
    calls.unknown::bigint as unknown,
    calls.unsettled::bigint as unsettled,
    calls.not_sent::bigint as not_sent,
    calls.retries::bigint as retries,
    {{ share('(calls.unavailable + calls.unknown)', 'calls.calls') }} as failure_share,
    calls.latency_p50_ms::double as latency_p50_ms,
    calls.latency_p95_ms::double as latency_p95_ms,
    calls.latency_max_ms::bigint as latency_max_ms,
    coalesce(calls.units, 0)::bigint as units,
    coalesce(vendor_days.units, 0)::bigint as vendor_units,
    quotas.limit_units as vendor_limit_units,
    {{ share('vendor_days.units', 'quotas.limit_units') }} as quota_share,
    coalesce(calls.vendor_cost_microusd, 0)::bigint as vendor_cost_microusd,
    coalesce(vendor_days.month_cost_microusd, 0)::bigint as month_cost_microusd,
    budgets.cap_microusd as month_cap_microusd,
    {{ share('vendor_days.month_cost_microusd', 'budgets.cap_microusd') }} as budget_share
from calls
left join vendor_days using (occurred_on, vendor)
left join quotas using (vendor)
left join budgets on calls.vendor = budgets.vendor and strftime(calls.occurred_on, '%Y-%m') = budgets.month
