select
    halt_id,
    scope,
    rule,
    halted_at,
    resumed_at
from {{ source('lake', 'halts') }}
