-- One row per campaign: how it is set up now, and what it has come to over all its days.
with so_far as (
    select
        campaign_id,
        count(*) as campaign_days,
        min(cohort_on) as first_cohort_on,
        max(cohort_on) as last_cohort_on,
        sum(unique_businesses) as businesses,
        sum(sent) as letters_sent,
        sum(purchased) as purchases,
        sum(revenue_cents) as revenue_cents,
        sum(vendor_cost_microusd) as vendor_cost_microusd
    from {{ ref('mart_cohort_funnel') }}
    group by all
)

select
    campaigns.campaign as campaign_id,
    campaigns.vertical,
    campaigns.state,
    campaigns.consent_basis,
    campaigns.mailer,
    campaigns.daily_quota,
    campaigns.top_share,
    campaigns.chain_policy,
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
    coalesce(so_far.purchases, 0)::bigint as purchases,
    coalesce(so_far.revenue_cents, 0)::bigint as revenue_cents,
    coalesce(so_far.vendor_cost_microusd, 0)::bigint as vendor_cost_microusd
from {{ ref('stg_campaigns') }} as campaigns
left join so_far on campaigns.campaign = so_far.campaign_id
