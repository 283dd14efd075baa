{# Fails for each key that stands in more than one row, or not wholly in one; columns of nullable may be NULL in every row of a key.
   Of a fact an increment tests the keys of the rows that it brought, against all rows: the others were tested when they came, and no row
   of theirs is touched since. #}
{% test one_row_per(model, key, nullable=[], fact=false) %}
{%- if fact and is_increment() %}
with brought as (
    select {{ key | join(', ') }}
    from {{ model }}
    where {{ brought_rows() }}
)

select {{ key | join(', ') }}
from {{ 'brought' if 'campaign_id' in key and 'cohort_on' in key else model }}
where ({{ key | join(', ') }}) in (select ({{ key | join(', ') }}) from brought)
group by all
having count(*) > 1
union all
select {{ key | join(', ') }}
from brought
where {% for column in key if column not in nullable %}{{ 'or ' if not loop.first }}{{ column }} is null {% endfor %}
{%- else %}
select {{ key | join(', ') }}
from {{ model }}
group by all
having count(*) > 1{% for column in key if column not in nullable %} or {{ column }} is null{% endfor %}
{%- endif %}
{% endtest %}
