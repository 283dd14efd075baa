select
    scope,
    cap_microusd,
    reserved_microusd,
    spent_microusd,
    budget
from {{ source('lake', 'budgets') }}
