{# Shares and unit costs, each defined once. A share or a cost of nothing is unknown (NULL), never zero. #}

{# part of whole, 0 to 1. #}
{% macro share(part, whole) %}case when {{ whole }} > 0 then {{ part }}::double / {{ whole }} end{% endmacro %}

{# What one of a thing costs, rounded to the unit of the cost. #}
{% macro cost_per(cost, things) %}case when {{ things }} > 0 then round({{ cost }}::double / {{ things }})::bigint end{% endmacro %}

{# Revenue less vendor cost in cents; a cent is 10,000 millionths of a dollar. #}
{% macro margin_cents(revenue_cents, cost_microusd) %}({{ revenue_cents }} - round({{ cost_microusd }} / 10000.0))::bigint{% endmacro %}

{# One end of the 95 % Wilson interval of a share; sign is '-' for the lower end, '+' for the upper one. #}
{% macro wilson(part, whole, sign) -%}
    case
        when {{ whole }} > 0
            then greatest(0, least(1, (
                {{ part }}::double / {{ whole }} + 1.92 / {{ whole }}
                {{ sign }} 1.96 * sqrt(
                    ({{ part }}::double / {{ whole }}) * (1 - {{ part }}::double / {{ whole }}) / {{ whole }}
                    + 0.9604 / ({{ whole }}::double * {{ whole }})
                )
            ) / (1 + 3.8416 / {{ whole }})))
    end
{%- endmacro %}

{# Sum of a column over the day and the days before it, within a partition. #}
{% macro over_days(column, days, partition) -%}
    sum({{ column }}) over (
        partition by {{ partition }} order by occurred_on range between interval {{ days - 1 }} days preceding and current row
    )::bigint
{%- endmacro %}

{# How many rows (step) there are of each step. #}
{% macro count_of_each(steps) %}
        {%- for step in steps %}
        count(*) filter (where step = '{{ step }}') as {{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
{% endmacro %}

{# How many of each step there were up to a day since the letter. #}
{% macro each_so_far(steps) %}
        {%- for step in steps %}
        sum({{ step }}) over (partition by campaign_id, cohort_on order by days_since_send)::bigint as {{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
{% endmacro %}

{# How many of each step there were over a week and a month, by domains. #}
{% macro each_rolling(steps) %}
        {%- for step in steps %}
        {{ over_days(step, 7, 'sender_domain, recipient_domain') }} as {{ step }}_7d,
        {{ over_days(step, 30, 'sender_domain, recipient_domain') }} as {{ step }}_30d{{ ',' if not loop.last }}
        {%- endfor %}
{% endmacro %}
