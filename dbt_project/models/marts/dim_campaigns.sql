-- One row per campaign: how it is set up now, and what it has come to over all its days.
with so_far as (
    select
        campaign,
        count(*) as campaign_days,
        min(cohort_on) as first_cohort_on,
        max(cohort_on) as last_cohort_on,
        sum("unique") as businesses,
        sum(sent) as letters_sent,
        sum(cost_microusd) as cost_microusd
    from {{ ref('fct_daily_funnel') }}
    group by all
)

select
    campaigns.campaign,
    campaigns.vertical,
    campaigns.state,
    campaigns.consent_basis,
    campaigns.daily_quota,
    campaigns.top_share,
    campaigns.budget_cents,
    campaigns.starts_on,
    campaigns.ends_on,
    campaigns.created_at,
    campaigns.launched_at,
    coalesce(so_far.campaign_days, 0)::bigint as campaign_days,
    so_far.first_cohort_on,
    so_far.last_cohort_on,
    coalesce(so_far.businesses, 0)::bigint as businesses,
    coalesce(so_far.letters_sent, 0)::bigint as letters_sent,
    coalesce(so_far.cost_microusd, 0)::bigint as cost_microusd
from {{ ref('stg_campaigns') }} as campaigns
left join so_far using (campaign)
