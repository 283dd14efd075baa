-- One row per cut of the business and value of it: what a lead, a letter and a sale cost, what is left, and when it paid back.
-- A vendor's row holds that vendor's cost against all leads, letters and sales; a prompt version's the calls about its own leads.
with campaigns as (
    select
        funnel.campaign_id,
        funnel.vertical,
        sum(funnel.unique_businesses) as leads,
        sum(funnel.qualified) as qualified,
        sum(funnel.sent) as letters,
        sum(funnel.purchased) as sales,
        sum(funnel.vendor_cost_microusd) as vendor_cost_microusd,
        sum(funnel.revenue_cents) as revenue_cents
    from {{ ref('mart_cohort_funnel') }} as funnel
    group by all
),

vendors as (
    select
        vendor,
        sum(vendor_cost_microusd) as vendor_cost_microusd
    from {{ ref('fct_vendor_calls') }}
    group by all
),

cuts as (
    select
        'factory' as cut,
        'all' as cut_value,
        sum(leads) as leads,
        sum(qualified) as qualified,
        sum(letters) as letters,
        sum(sales) as sales,
        (select sum(vendors.vendor_cost_microusd) from vendors) as vendor_cost_microusd,
        sum(revenue_cents) as revenue_cents
    from campaigns
    having count(*) > 0
    union all
    select
        'campaign',
        campaign_id,
        leads,
        qualified,
        letters,
        sales,
        vendor_cost_microusd,
        revenue_cents
    from campaigns
    union all
    select
        'vertical',
        vertical,
        sum(leads),
        sum(qualified),
        sum(letters),
        sum(sales),
        sum(vendor_cost_microusd),
        sum(revenue_cents)
    from campaigns
    group by all
    union all
    select
        'vendor',
        vendors.vendor,
        coalesce(sum(campaigns.leads), 0),
        coalesce(sum(campaigns.qualified), 0),
        coalesce(sum(campaigns.letters), 0),
        coalesce(sum(campaigns.sales), 0),
        any_value(vendors.vendor_cost_microusd),
        coalesce(sum(campaigns.revenue_cents), 0)
    from vendors
    left join campaigns on true
    group by all
    union all
    select
        'prompt_version',
        coalesce(draft_prompt_version, 'none'),
        count(*),
        count(*) filter (where qualified),
        sum(letters_sent),
        count(*) filter (where purchased_at is not null),
        sum(vendor_cost_microusd),
        sum(revenue_cents)
    from {{ ref('fct_leads') }}
    where draft_status = 'drafted'
    group by all
),

running as (
    select
        campaigns.campaign_id,
        campaigns.vertical,
        daily.occurred_on,
        daily.revenue_cents,
        daily.vendor_cost_microusd
    from {{ ref('mart_daily_funnel') }} as daily
    inner join campaigns using (campaign_id)
),

run_cuts as (
    select
        'factory' as cut,
        'all' as cut_value,
        *
    from running
    union all
    select
        'campaign',
        campaign_id,
        *
    from running
    union all
    select
        'vertical',
        vertical,
        *
    from running
),

run_days as (
    select
        cut,
        cut_value,
        occurred_on,
        sum(sum(revenue_cents)) over so_far as revenue_cents,
        sum(sum(vendor_cost_microusd)) over so_far as vendor_cost_microusd,
        min(occurred_on) over (partition by cut, cut_value) as first_on
    from run_cuts
    group by cut, cut_value, occurred_on
    window so_far as (partition by cut, cut_value order by occurred_on)
),

payback as (
    select
        cut,
        cut_value,
        min(date_diff('day', first_on, occurred_on)) as payback_days
    from run_days
    where revenue_cents > 0 and revenue_cents * 10000 >= vendor_cost_microusd
    group by all
)

select
    cuts.cut,
    cuts.cut_value,
    cuts.leads::bigint as leads,
    cuts.qualified::bigint as qualified,
    cuts.letters::bigint as letters,
    cuts.sales::bigint as sales,
    cuts.vendor_cost_microusd::bigint as vendor_cost_microusd,
    cuts.revenue_cents::bigint as revenue_cents,
    {{ cost_per('cuts.vendor_cost_microusd', 'cuts.leads') }} as cost_per_lead_microusd,
    {{ cost_per('cuts.vendor_cost_microusd', 'cuts.letters') }} as cost_per_letter_microusd,
    {{ cost_per('cuts.vendor_cost_microusd', 'cuts.sales') }} as cost_per_sale_microusd,
    {{ cost_per('cuts.revenue_cents', 'cuts.letters') }} as revenue_per_letter_cents,
    {{ margin_cents('cuts.revenue_cents', 'cuts.vendor_cost_microusd') }} as margin_cents,
    {{ share('(cuts.revenue_cents - cuts.vendor_cost_microusd / 10000.0)', 'cuts.revenue_cents') }} as margin_share,
    payback.payback_days::integer as payback_days
from cuts
left join payback using (cut, cut_value)
