-- What the factory did is what its campaigns did; only calls of no campaign come on top.
with campaigns as (
    select
        occurred_on,
        {{- sums_of_measures() }}
    from {{ ref('mart_daily_funnel') }}
    group by all
)

select activity.occurred_on
from {{ ref('mart_daily_activity') }} as activity
left join campaigns using (occurred_on)
where
    {%- for measure in funnel_measures() if measure not in ['vendor_calls', 'vendor_cost_microusd'] %}
    {{ 'or ' if not loop.first }}activity.{{ measure }} <> coalesce(campaigns.{{ measure }}, 0)
    {%- endfor %}
    or activity.vendor_calls < coalesce(campaigns.vendor_calls, 0)
    or activity.vendor_cost_microusd < coalesce(campaigns.vendor_cost_microusd, 0)
