select
    campaign,
    business_id,
    reason,
    send_id,
    stopped_at
from {{ source('lake', 'sequence_stops') }}
