select
    rule,
    value
from {{ source('lake', 'delivery_rules') }}
