-- One row per business of a campaign-day: how far it came, when, and what it cost. Of scores and first letters the newest version
-- counts. The definitions are those of leadfactory/d10_analytics/funnel.py; a test holds that both agree.
with newest_scores as (
    select * from {{ ref('stg_lead_scores') }}
    qualify row_number() over (partition by campaign, cohort_on, business_id order by version desc) = 1
),

newest_drafts as (
    select * from {{ ref('stg_email_drafts') }}
    where step = 1
    qualify row_number() over (partition by campaign, cohort_on, business_id order by version desc) = 1
),

letters as (
    select
        campaign_id as campaign,
        cohort_on,
        business_id,
        count(*) filter (where sent_at is not null) as letters_sent,
        min(sent_at) as first_sent_at,
        max(sent_at) as last_sent_at,
        min(delivered_at) as delivered_at,
        min(opened_at) as opened_at,
        min(clicked_at) as clicked_at,
        min(replied_at) as replied_at,
        min(bounced_at) as bounced_at,
        min(complained_at) as complained_at,
        min(unsubscribed_at) as unsubscribed_at
    from {{ ref('fct_emails') }}
    where true {{ and_changed() }}
    group by all
),

sales as (
    select
        campaign_id as campaign,
        cohort_on,
        business_id,
        min(paid_at) filter (where is_sale) as purchased_at,
        sum(revenue_cents) as revenue_cents
    from {{ ref('fct_purchases') }}
    where true {{ and_changed() }}
    group by all
),

calls as (
    select
        campaign_id as campaign,
        cohort_on,
        business_id,
        count(*) filter (where left_the_house) as vendor_calls,
        sum(vendor_cost_microusd) as vendor_cost_microusd
    from {{ ref('fct_vendor_calls') }}
    where business_id is not null {{ and_changed() }}
    group by all
)

select
    uniques.campaign as campaign_id,
    uniques.cohort_on,
    uniques.business_id,
    uniques.duplicate_of is not null as is_duplicate,
    uniques.excluded_reason,
    listings.review_band,
    listings.fetched_at as sourced_at,
    uniques.decided_at as deduplicated_at,
    enriched.fetched_at as enriched_at,
    enriched.status as enrichment_status,
    enriched.reason as enrichment_reason,
    enriched.own_name,
    enriched.own_name_url,
    enriched.site_host,
    enriched.state as us_state,
    enriched.platform,
    audits.audited_at,
    audits.status as audit_status,
    audits.performance,
    audits.findings,
    insights.fetched_at as worded_at,
    insights.source as insight_source,
    insights.prompt_version as insight_prompt_version,
    scores.scored_at,
    scores.version as score_version,
    scores.score,
    scores.tier,
    scores.qualified,
    scores.reason as score_reason,
    scores.need,
    scores.ability,
    scores.reachability,
    scores.confidence,
    drafts.drafted_at,
    drafts.status as draft_status,
    drafts.reason as draft_reason,
    drafts.prompt_version as draft_prompt_version,
    drafts.template_version,
    drafts.price_cents,
    drafts.currency,
    coalesce(letters.letters_sent, 0)::bigint as letters_sent,
    letters.first_sent_at,
    letters.last_sent_at,
    letters.delivered_at,
    letters.opened_at,
    letters.clicked_at,
    letters.replied_at,
    letters.bounced_at,
    letters.complained_at,
    letters.unsubscribed_at,
    sales.purchased_at,
    coalesce(sales.revenue_cents, 0)::bigint as revenue_cents,
    coalesce(calls.vendor_calls, 0)::bigint as vendor_calls,
    coalesce(calls.vendor_cost_microusd, 0)::bigint as vendor_cost_microusd,
    case
        when sales.purchased_at is not null then 'purchased'
        when letters.letters_sent > 0 then 'sent'
        when drafts.status = 'drafted' then 'drafted'
        when scores.qualified then 'qualified'
        when scores.score is not null then 'scored'
        when audits.status = 'ok' then 'audited'
        when enriched.status = 'ok' then 'enriched'
        when uniques.duplicate_of is null then 'unique'
        else 'duplicate'
    end as stage
from {{ ref('stg_unique_businesses') }} as uniques
left join {{ ref('stg_sourced_businesses') }} as listings using (campaign, cohort_on, sourced_id)
left join {{ ref('stg_enriched_businesses') }} as enriched using (campaign, cohort_on, business_id)
left join {{ ref('fct_audits') }} as audits
    on
        uniques.campaign = audits.campaign_id
        and uniques.cohort_on = audits.cohort_on
        and uniques.business_id = audits.business_id
left join {{ ref('stg_site_insights') }} as insights using (campaign, cohort_on, business_id)
left join newest_scores as scores using (campaign, cohort_on, business_id)
left join newest_drafts as drafts using (campaign, cohort_on, business_id)
left join letters using (campaign, cohort_on, business_id)
left join sales using (campaign, cohort_on, business_id)
left join calls using (campaign, cohort_on, business_id)
