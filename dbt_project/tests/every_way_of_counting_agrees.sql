-- By day, by cohort and over everything: each campaign's sums are the same.
with by_day as (
    select
        campaign_id,
        {{- sums_of_measures() }}
    from {{ ref('mart_daily_funnel') }}
    group by all
),

by_cohort as (
    select
        campaign_id,
        {{- sums_of_measures() }}
    from {{ ref('mart_cohort_funnel') }}
    group by all
    having
        {{- any_measure() }}
)

-- every column is a measure, so that these stars are as wide as the macro
(
    select * from by_day  -- noqa: AM04
    except all
    select * from by_cohort
)
union all
(
    select * from by_cohort  -- noqa: AM04
    except all
    select * from by_day
)
