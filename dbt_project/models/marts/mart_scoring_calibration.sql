-- One row per vertical (and for all of them) and tenth of the score scale: what those who were written to did. A score is worth
-- something when the shares rise with it.
with mailed as (
    select
        campaigns.vertical,
        least(leads.score // 10, 9) + 1 as score_decile,
        leads.clicked_at,
        leads.replied_at,
        leads.purchased_at,
        leads.revenue_cents
    from {{ ref('fct_leads') }} as leads
    inner join {{ ref('dim_campaigns') }} as campaigns using (campaign_id)
    where leads.first_sent_at is not null and leads.score is not null
),

cuts as (
    select * from mailed
    union all
    select * replace ('all' as vertical) from mailed
),

counted as (
    select
        vertical,
        score_decile,
        count(*) as mailed,
        count(clicked_at) as clicked,
        count(replied_at) as replied,
        count(purchased_at) as purchased,
        sum(revenue_cents) as revenue_cents
    from cuts
    group by all
)

select
    vertical,
    score_decile::integer as score_decile,
    mailed::bigint as mailed,
    clicked::bigint as clicked,
    replied::bigint as replied,
    purchased::bigint as purchased,
    revenue_cents::bigint as revenue_cents,
    {{ share('clicked', 'mailed') }} as click_share,
    {{ share('replied', 'mailed') }} as reply_share,
    {{ share('purchased', 'mailed') }} as purchase_share,
    {{ wilson('purchased', 'mailed', '-') }} as purchase_share_low,
    {{ wilson('purchased', 'mailed', '+') }} as purchase_share_high
from counted
