select
    campaign,
    cohort_on,
    report_id,
    purchase_id,
    business_id,
    version,
    report_on,
    measured_at,
    pages,
    template_version,
    sealed_at
from {{ source('lake', 'audit_reports') }}
