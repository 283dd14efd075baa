{# What is counted along the funnel, each once, in the order of the story. int_funnel_days counts them; every mart of the funnel
   only adds them up, so that a number means the same wherever it stands. Each is described in _marts.yml. #}
{% macro funnel_measures() %}
    {{ return([
        'sourced', 'unique_businesses', 'enriched', 'audited', 'scored', 'qualified', 'drafted', 'waiting', 'sent', 'unknown',
        'refused', 'rejected', 'expired', 'delivered', 'opened', 'clicked', 'replied', 'bounced', 'complained', 'unsubscribed',
        'purchased', 'refunded', 'reports_delivered', 'paid_cents', 'refunded_cents', 'disputed_cents', 'revenue_cents',
        'vendor_calls', 'vendor_cost_microusd'
    ]) }}
{% endmacro %}

{# The sum of each measure, under its name. #}
{% macro sums_of_measures() %}
    {%- for measure in funnel_measures() %}
    sum({{ measure }})::bigint as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{# Each measure of rows (measure, amount), zero where none of them is of it. #}
{% macro measures_counted() %}
    {%- for measure in funnel_measures() %}
    coalesce(sum(amount) filter (where measure = '{{ measure }}'), 0)::bigint as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{# Whether there is anything of any measure. #}
{% macro any_measure() %}
    {%- for measure in funnel_measures() %}
    {{ 'or ' if not loop.first }}sum({{ measure }}) <> 0
    {%- endfor %}
{% endmacro %}

{# Each measure, zero where there is nothing to count. #}
{% macro measures_or_zero(relation) %}
    {%- for measure in funnel_measures() %}
    coalesce({{ relation }}.{{ measure }}, 0)::bigint as {{ measure }}{{ ',' if not loop.last }}
    {%- endfor %}
{% endmacro %}

{# Rows of (campaign_id, cohort_on, occurred_on, measure, amount): how many rows of a fact fall on each day of each campaign-day. #}
{% macro counted(measure, fact, day, condition) %}
    select campaign_id, cohort_on, {{ day }} as occurred_on, '{{ measure }}' as measure, count(*) as amount
    from {{ ref(fact) }}
    where {{ condition }}
    group by all
{% endmacro %}
