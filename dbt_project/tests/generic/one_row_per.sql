{# Fails for each key that stands in more than one row, or not wholly in one. #}
{% test one_row_per(model, key) %}
select {{ key | join(', ') }}
from {{ model }}
group by all
having count(*) > 1 or {% for column in key %}{{ column }} is null{{ ' or ' if not loop.last }}{% endfor %}
{% endtest %}
