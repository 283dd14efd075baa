-- Stages of which each takes only what an earlier one let through. Letters are not compared with today's scores: a business
-- that was written to and scored again may not qualify any more.
select *
from {{ ref('fct_daily_funnel') }}
where
    "unique" > sourced
    or enriched > "unique"
    or audited > "unique"
    or scored > "unique"
    or qualified > scored
    or drafted > "unique"
