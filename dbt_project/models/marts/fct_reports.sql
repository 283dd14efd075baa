-- One row per sealed report and version, with the mail that brought its links.
with mailed as (
    select
        campaign,
        cohort_on,
        report_id,
        max(state) filter (where kind = 'sold') as delivery_state,
        min(delivered_at) filter (where kind = 'sold') as delivered_at,
        min(bounced_at) filter (where kind = 'sold') as bounced_at,
        count(*) filter (where kind = 'lost') as links_sent_again
    from {{ ref('stg_report_deliveries') }}
    group by all
)

select
    reports.campaign as campaign_id,
    reports.cohort_on,
    reports.report_id,
    reports.purchase_id,
    reports.business_id,
    reports.version,
    reports.report_on,
    reports.pages,
    reports.template_version,
    purchases.paid_at,
    reports.measured_at,
    reports.sealed_at,
    mailed.delivery_state,
    mailed.delivered_at,
    mailed.bounced_at,
    coalesce(mailed.links_sent_again, 0)::bigint as links_sent_again,
    date_diff('second', purchases.paid_at, mailed.delivered_at) as paid_to_delivered_s,
    reports.sealed_at::date as occurred_on
from {{ ref('stg_audit_reports') }} as reports
left join {{ ref('stg_purchases') }} as purchases using (campaign, cohort_on, purchase_id)
left join mailed using (campaign, cohort_on, report_id)
