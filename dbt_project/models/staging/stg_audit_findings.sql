select
    campaign,
    cohort_on,
    finding_id,
    audit_id,
    business_id,
    kind,
    category,
    severity,
    measured,
    unit,
    threshold,
    source,
    effort,
    effort_who,
    conversion_weight,
    rules_version
from {{ source('lake', 'audit_findings') }}
