select
    access_id,
    report_id,
    kind,
    given,
    machine,
    accessed_at
from {{ source('lake', 'report_accesses') }}
