-- One row per registered business, with what is known of it now (type 1; history is in the facts). Rows of a cohort to which
-- the business is a duplicate say nothing of their own: it was measured where it was found first.
with newest_enrichment as (
    select * from {{ ref('stg_enriched_businesses') }}
    qualify row_number() over (partition by business_id order by fetched_at desc, cohort_on desc, campaign asc) = 1
),

newest_audit as (
    select * from {{ ref('stg_site_audits') }}
    where status = 'ok'
    qualify row_number() over (partition by business_id order by fetched_at desc, cohort_on desc, campaign asc) = 1
),

newest_score as (
    select scores.*
    from {{ ref('stg_lead_scores') }} as scores
    inner join {{ ref('stg_unique_businesses') }} as uniques using (campaign, cohort_on, business_id)
    where uniques.duplicate_of is null
    qualify row_number() over (
        partition by scores.business_id order by scores.scored_at desc, scores.cohort_on desc, scores.campaign asc, scores.version desc
    ) = 1
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
    newest_enrichment.state as us_state,
    newest_enrichment.status as enrichment_status,
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
