-- One row per campaign-day: how far its businesses came, and what they cost. The definitions are those of
-- leadfactory/d10_analytics/funnel.py; a test holds that both agree.
with newest_scores as (
    select * from {{ ref('stg_lead_scores') }}
    qualify row_number() over (partition by campaign, cohort_on, business_id order by version desc) = 1
),

newest_drafts as (
    select * from {{ ref('stg_email_drafts') }}
    where step = 1
    qualify row_number() over (partition by campaign, cohort_on, business_id order by version desc) = 1
),

sourced as (
    select
        campaign,
        cohort_on,
        count(*) as sourced
    from {{ ref('stg_sourced_businesses') }}
    group by all
),

uniques as (
    select
        campaign,
        cohort_on,
        count(*) filter (where duplicate_of is null) as uniques
    from {{ ref('stg_unique_businesses') }}
    group by all
),

enriched as (
    select
        campaign,
        cohort_on,
        count(*) filter (where status = 'ok') as enriched
    from {{ ref('stg_enriched_businesses') }}
    group by all
),

audited as (
    select
        campaign,
        cohort_on,
        count(*) filter (where status = 'ok') as audited
    from {{ ref('stg_site_audits') }}
    group by all
),

scored as (
    select
        campaign,
        cohort_on,
        count(*) filter (where score is not null) as scored,
        count(*) filter (where qualified) as qualified
    from newest_scores
    group by all
),

drafted as (
    select
        campaign,
        cohort_on,
        count(*) filter (where status = 'drafted') as drafted
    from newest_drafts
    group by all
),

sends as (
    select
        campaign,
        cohort_on,
        count(*) filter (where state in ('planned', 'claimed')) as waiting,
        count(*) filter (where state = 'accepted') as sent,
        count(*) filter (where state = 'unknown') as unknown,
        count(*) filter (where state = 'refused') as refused,
        count(*) filter (where state = 'rejected') as rejected,
        count(*) filter (where state = 'expired') as expired
    from {{ ref('stg_email_sends') }}
    group by all
),

calls as (
    select
        campaign,
        cohort_on,
        count(*) as vendor_calls,
        sum(coalesce(cost_microusd, reserved_microusd)) as cost_microusd
    from {{ ref('stg_vendor_calls') }}
    where {{ left_the_house() }}
    group by all
)

select
    days.campaign,
    days.cohort_on,
    campaigns.vertical,
    days.state,
    coalesce(sourced.sourced, 0)::bigint as sourced,
    coalesce(uniques.uniques, 0)::bigint as "unique",
    coalesce(enriched.enriched, 0)::bigint as enriched,
    coalesce(audited.audited, 0)::bigint as audited,
    coalesce(scored.scored, 0)::bigint as scored,
    coalesce(scored.qualified, 0)::bigint as qualified,
    coalesce(drafted.drafted, 0)::bigint as drafted,
    coalesce(sends.waiting, 0)::bigint as waiting,
    coalesce(sends.sent, 0)::bigint as sent,
    coalesce(sends.unknown, 0)::bigint as unknown,
    coalesce(sends.refused, 0)::bigint as refused,
    coalesce(sends.rejected, 0)::bigint as rejected,
    coalesce(sends.expired, 0)::bigint as expired,
    coalesce(calls.vendor_calls, 0)::bigint as vendor_calls,
    coalesce(calls.cost_microusd, 0)::bigint as cost_microusd
from {{ ref('stg_campaign_days') }} as days
left join {{ ref('stg_campaigns') }} as campaigns using (campaign)
left join sourced using (campaign, cohort_on)
left join uniques using (campaign, cohort_on)
left join enriched using (campaign, cohort_on)
left join audited using (campaign, cohort_on)
left join scored using (campaign, cohort_on)
left join drafted using (campaign, cohort_on)
left join sends using (campaign, cohort_on)
left join calls using (campaign, cohort_on)
