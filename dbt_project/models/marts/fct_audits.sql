-- One row per audit of a website, append-only: the history that dim_businesses does not keep.
with findings as (
    select
        campaign,
        cohort_on,
        audit_id,
        count(*) as findings,
        max(severity) as worst_severity
    from {{ ref('stg_audit_findings') }}
    group by all
)

select
    audits.campaign as campaign_id,
    audits.cohort_on,
    audits.audit_id,
    audits.business_id,
    audits.status,
    audits.reason,
    audits.strategy,
    audits.performance,
    audits.accessibility,
    audits.best_practices,
    audits.seo,
    audits.fcp_ms,
    audits.lcp_ms,
    audits.tbt_ms,
    audits.cls,
    audits.total_bytes,
    audits.has_field_data,
    coalesce(findings.findings, 0)::bigint as findings,
    findings.worst_severity,
    audits.rules_version,
    audits.reused_audit_id is not null as is_reused,
    audits.fetched_at as audited_at,
    greatest(audits.fetched_at::date, audits.cohort_on) as occurred_on
from {{ ref('stg_site_audits') }} as audits
left join findings using (campaign, cohort_on, audit_id)
