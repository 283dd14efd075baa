{# A purchase that was paid, whatever became of it (leadfactory/d10_analytics/sales.py says the same). #}
{% macro is_sale() %}state in ('paid', 'partially_refunded', 'refunded', 'disputed', 'dispute_won', 'dispute_lost'){% endmacro %}

{# Acts by which a recipient stops our mail (leadfactory/d10_analytics/responses.py says the same). #}
{% macro is_stop() %}action in ('unsubscribe', 'not_the_right_person', 'asked_by_mail_to_stop'){% endmacro %}
