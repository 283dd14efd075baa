-- One row per campaign-day and number of days since the first letter on which anything happened: who did what by then.
-- Whoever was written to counts, so the shares of a young cohort still grow.
{% set steps = ['opened', 'clicked', 'replied', 'unsubscribed', 'purchased'] -%}
with mailed as (
    select
        campaign_id,
        cohort_on,
        first_sent_at,
        opened_at,
        clicked_at,
        replied_at,
        unsubscribed_at,
        purchased_at
    from {{ ref('fct_leads') }}
    where first_sent_at is not null
),

totals as (
    select
        campaign_id,
        cohort_on,
        count(*) as mailed
    from mailed
    group by all
),

steps as (
    select
        campaign_id,
        cohort_on,
        0 as days_since_send,
        'mailed' as step
    from mailed
    {%- for step in steps %}
    union all
    select
        campaign_id,
        cohort_on,
        greatest(date_diff('day', first_sent_at, {{ step }}_at), 0) as days_since_send,
        '{{ step }}' as step
    from mailed
    where {{ step }}_at is not null
    {%- endfor %}
),

by_day as (
    select
        campaign_id,
        cohort_on,
        days_since_send,
        {{- count_of_each(steps) }}
    from steps
    group by all
),

so_far as (
    select
        campaign_id,
        cohort_on,
        days_since_send,
        {{- each_so_far(steps) }}
    from by_day
)

select
    so_far.cohort_on,
    so_far.campaign_id,
    so_far.days_since_send::integer as days_since_send,
    totals.mailed::bigint as mailed,
    so_far.opened,
    so_far.clicked,
    so_far.replied,
    so_far.unsubscribed,
    so_far.purchased,
    {{ share('so_far.opened', 'totals.mailed') }} as open_share,
    {{ share('so_far.clicked', 'totals.mailed') }} as click_share,
    {{ share('so_far.purchased', 'totals.mailed') }} as purchase_share
from so_far
inner join totals using (campaign_id, cohort_on)
