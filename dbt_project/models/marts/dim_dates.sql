-- One row per UTC day, from the year of the first campaign-day to the year after the last day on which anything happened.
with seen as (
    select
        min(cohort_on) as first_on,
        max(occurred_on) as last_on
    from {{ ref('int_funnel_days') }}
),

days as (
    select
        unnest(
            generate_series(
                date_trunc('year', first_on)::timestamp,
                (date_trunc('year', last_on) + interval 2 year - interval 1 day)::timestamp,
                interval 1 day
            )
        )::date as day_on
    from seen
    where first_on is not null
)

select
    day_on,
    date_trunc('week', day_on)::date as week_starts_on,
    date_trunc('month', day_on)::date as month_starts_on,
    date_trunc('quarter', day_on)::date as quarter_starts_on,
    extract(year from day_on)::integer as year,
    extract(month from day_on)::integer as month,
    extract(week from day_on)::integer as iso_week,
    extract(isodow from day_on)::integer as iso_weekday,
    dayname(day_on) as weekday_name,
    extract(isodow from day_on) < 6 as is_weekday
from days
