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
        {%- for measure in funnel_measures() %}
        {{ 'or ' if not loop.first }}sum({{ measure }}) <> 0
        {%- endfor %}
)

(select * from by_day except all select * from by_cohort)
union all
(select * from by_cohort except all select * from by_day)
