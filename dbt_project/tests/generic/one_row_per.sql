{# Fails for each key that stands in more than one row, or not wholly in one; columns of nullable may be NULL in every row of a key. #}
{% test one_row_per(model, key, nullable=[]) %}
select {{ key | join(', ') }}
from {{ model }}
group by all
having count(*) > 1{% for column in key if column not in nullable %} or {{ column }} is null{% endfor %}
{% endtest %}
