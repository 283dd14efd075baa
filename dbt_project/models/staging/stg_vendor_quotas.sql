select
    vendor,
    rate,
    limit_units,
    window_started_at,
    resets_at,
    used_units,
    leased_units,
    waited,
    refused
from {{ source('lake', 'vendor_quotas') }}
