{# A vendor call that was really made: not answered from the cache, and not stopped before it left. #}
{% macro left_the_house() %}not cache_hit and status <> 'not_sent'{% endmacro %}
