-- Cost by vendor and day, by cut and over everything is one number.
with factory as (select coalesce(sum(vendor_cost_microusd), 0) as cost from {{ ref('mart_daily_activity') }}),

vendors as (select coalesce(sum(vendor_cost_microusd), 0) as cost from {{ ref('mart_vendor_health') }}),

cuts as (
    select coalesce(sum(vendor_cost_microusd) filter (where cut = 'vendor'), 0) as cost
    from {{ ref('mart_unit_economics') }}
)

select
    factory.cost as factory_cost,
    vendors.cost as vendors_cost,
    cuts.cost as cuts_cost
from factory
cross join vendors
cross join cuts
where factory.cost <> vendors.cost or factory.cost <> cuts.cost
