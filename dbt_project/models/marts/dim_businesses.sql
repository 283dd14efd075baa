-- One row per registered business, with what is known of it now (type 1; history is in the facts). Rows of a cohort to which
-- the business is a duplicate say nothing of their own: it was measured where it was found first. Made from facts, so that an increment
-- sees all cohorts of a business.
with newest_enrichment as (
    select
        business_id,
        own_name,
        own_name_url,
        site_host,
        platform,
        us_state,
        enrichment_status
    from {{ ref('fct_leads') }}
    where enriched_at is not null
    qualify row_number() over (partition by business_id order by enriched_at desc, cohort_on desc, campaign_id asc) = 1
),

newest_audit as (
    select
        business_id,
        performance,
        seo,
        accessibility
    from {{ ref('fct_audits') }}
    where status = 'ok'
    qualify row_number() over (partition by business_id order by audited_at desc, cohort_on desc, campaign_id asc) = 1
),

newest_score as (
    select
        business_id,
        score,
        tier,
        qualified
    from {{ ref('fct_leads') }}
    where scored_at is not null and not is_duplicate
    qualify row_number() over (partition by business_id order by scored_at desc, cohort_on desc, campaign_id asc) = 1
),

letters as (
    select
        business_id,
        count(*) filter (where sent_at is not null) as letters_sent,
        max(sent_at) as last_letter_at
    from {{ ref('fct_emails') }}
    group by all
)

select
    businesses.business_id,
    businesses.first_campaign as first_campaign_id,
    businesses.first_cohort_on,
    campaigns.vertical,
    newest_enrichment.own_name,
    newest_enrichment.own_name_url,
    newest_enrichment.site_host,
    newest_enrichment.platform,
    newest_enrichment.us_state,
    newest_enrichment.enrichment_status,
    newest_audit.performance,
    newest_audit.seo,
    newest_audit.accessibility,
    newest_score.score,
    newest_score.tier,
    newest_score.qualified,
    coalesce(letters.letters_sent, 0)::bigint as letters_sent,
    letters.last_letter_at,
    businesses.registered_at
from {{ ref('stg_businesses') }} as businesses
left join {{ ref('stg_campaigns') }} as campaigns on businesses.first_campaign = campaigns.campaign
left join newest_enrichment using (business_id)
left join newest_audit using (business_id)
left join newest_score using (business_id)
left join letters using (business_id)
