-- One row per campaign-day and day on which something happened: how much of each measure. Every mart of the funnel adds these up,
-- by cohort_on or by occurred_on, so both ways of counting agree. Days before the cohort's own (an audit that was used again) count
-- as its first.
with counted as (
    {{ counted('sourced', 'fct_listings', 'occurred_on', 'true') }}
    union all
    {{ counted('unique_businesses', 'fct_leads', 'cohort_on', 'not is_duplicate') }}
    union all
    {{ counted('enriched', 'fct_leads', 'greatest(enriched_at::date, cohort_on)', "enrichment_status = 'ok'") }}
    union all
    {{ counted('audited', 'fct_audits', 'occurred_on', "status = 'ok'") }}
    union all
    {{ counted('scored', 'fct_leads', 'scored_at::date', 'score is not null') }}
    union all
    {{ counted('qualified', 'fct_leads', 'scored_at::date', 'qualified') }}
    union all
    {{ counted('drafted', 'fct_leads', 'drafted_at::date', "draft_status = 'drafted'") }}
    union all
    {{ counted('waiting', 'fct_emails', 'occurred_on', "state in ('planned', 'claimed')") }}
    union all
    {{ counted('sent', 'fct_emails', 'sent_at::date', 'sent_at is not null') }}
    {%- for state in ['unknown', 'refused', 'rejected', 'expired'] %}
    union all
    {{ counted(state, 'fct_emails', 'occurred_on', "state = '" ~ state ~ "'") }}
    {%- endfor %}
    {%- for done in ['delivered', 'opened', 'clicked', 'replied', 'bounced', 'complained', 'unsubscribed'] %}
    union all
    {{ counted(done, 'fct_emails', done ~ '_at::date', done ~ '_at is not null') }}
    {%- endfor %}
    union all
    {{ counted('purchased', 'fct_purchases', 'paid_at::date', 'is_sale') }}
    union all
    {{ counted('refunded', 'fct_purchases', 'coalesce(refunded_at, paid_at)::date', 'is_sale and refunded_cents > 0') }}
    union all
    {{ counted('vendor_calls', 'fct_vendor_calls', 'occurred_on', 'left_the_house') }}
    union all
    select
        campaign_id,
        cohort_on,
        first_delivered_on as occurred_on,
        'reports_delivered' as measure,
        count(*) as amount
    from (
        select
            campaign_id,
            cohort_on,
            purchase_id,
            min(delivered_at)::date as first_delivered_on
        from {{ ref('fct_reports') }}
        where delivered_at is not null
        group by all
    )
    group by all
),

costs as (
    select
        campaign_id,
        cohort_on,
        occurred_on,
        'vendor_cost_microusd' as measure,
        sum(vendor_cost_microusd) as amount
    from {{ ref('fct_vendor_calls') }}
    group by all
),

money as (
    select
        campaign_id,
        cohort_on,
        occurred_on,
        sum(amount_cents) filter (where kind = 'sale') as paid_cents,
        -sum(amount_cents) filter (where kind = 'refund') as refunded_cents,
        -sum(amount_cents) filter (where kind = 'dispute') as disputed_cents,
        sum(amount_cents) as revenue_cents
    from {{ ref('fct_money') }}
    where is_sale and kind in ('sale', 'refund', 'dispute')
    group by all
),

everything as (
    select * from counted
    union all
    select * from costs
    union all
    select
        campaign_id,
        cohort_on,
        occurred_on,
        measure,
        amount
    from money
    unpivot (amount for measure in (paid_cents, refunded_cents, disputed_cents, revenue_cents))
)

select
    campaign_id,
    cohort_on,
    occurred_on,
    {{- measures_counted() }}
from everything
group by all
