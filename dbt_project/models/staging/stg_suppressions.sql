select
    kind,
    reason,
    source,
    suppressed_at
from {{ source('lake', 'suppressions') }}
