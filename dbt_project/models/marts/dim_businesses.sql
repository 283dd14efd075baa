-- One row per registered business, with what is known of it now (type 1; history is in the facts).
with newest_enrichment as (
    select * from {{ ref('stg_enriched_businesses') }}
    qualify row_number() over (partition by business_id order by cohort_on desc, fetched_at desc) = 1
),

newest_audit as (
    select * from {{ ref('stg_site_audits') }}
    where status = 'ok'
    qualify row_number() over (partition by business_id order by fetched_at desc) = 1
),

newest_score as (
    select * from {{ ref('stg_lead_scores') }}
    qualify row_number() over (partition by business_id order by cohort_on desc, version desc) = 1
),

written_to as (
    select business_id, count(*) filter (where state = 'accepted') as mails_accepted
    from {{ ref('stg_email_sends') }} group by all
)

select
    businesses.business_id,
    businesses.first_campaign,
    businesses.first_cohort_on,
    campaigns.vertical,
    newest_enrichment.site_host,
    newest_enrichment.platform,
    newest_enrichment.state,
    newest_enrichment.status as enrichment_status,
    newest_audit.performance,
    newest_audit.seo,
    newest_audit.accessibility,
    newest_score.score,
    newest_score.tier,
    coalesce(newest_score.qualified, false) as qualified,
    coalesce(written_to.mails_accepted, 0)::bigint as mails_accepted,
    businesses.registered_at
from {{ ref('stg_businesses') }} as businesses
left join {{ ref('stg_campaigns') }} as campaigns on businesses.first_campaign = campaigns.campaign
left join newest_enrichment using (business_id)
left join newest_audit using (business_id)
left join newest_score using (business_id)
left join written_to using (business_id)
