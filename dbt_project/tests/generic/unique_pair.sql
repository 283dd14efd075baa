{# Fails for each pair of values that stands in more than one row. #}
{% test unique_pair(model, first, second) %}
select {{ first }}, {{ second }}
from {{ model }}
group by all
having count(*) > 1
{% endtest %}
