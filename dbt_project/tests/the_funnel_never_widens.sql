-- No later stage of a campaign-day may hold more businesses than the one before it.
select *
from {{ ref('fct_daily_funnel') }}
where
    "unique" > sourced or enriched > "unique" or audited > enriched or scored > "unique" or qualified > scored
    or drafted > qualified or sent + unknown > drafted
