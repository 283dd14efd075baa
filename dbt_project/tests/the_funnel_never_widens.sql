-- Stages of which each takes only what an earlier one let through. Letters are not compared with today's scores: a business
-- that was written to and scored again may not qualify any more.
select
    cohort_on,
    campaign_id
from {{ ref('mart_cohort_funnel') }}
where
    unique_businesses > sourced
    or enriched > unique_businesses
    or audited > unique_businesses
    or scored > unique_businesses
    or qualified > scored
    or drafted > unique_businesses
    or delivered + bounced > sent + unknown + waiting
    or purchased > 0 and sent + unknown = 0
