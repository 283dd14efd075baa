-- One row per day: what happened on that day in the whole factory, calls of no campaign among it.
select
    occurred_on,
    {{- sums_of_measures() }}
from {{ ref('int_funnel_days') }}
group by all
