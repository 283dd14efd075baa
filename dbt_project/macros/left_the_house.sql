{# A vendor call that was really made: not answered from the cache, and not stopped before it left. #}
{% macro left_the_house() %}not cache_hit and status <> 'not_sent'{% endmacro %}

{# What a call that left the house costs; the reserved worst case while that is not known. #}
{% macro cost_of_call() %}case when {{ left_the_house() }} then coalesce(cost_microusd, reserved_microusd) else 0 end{% endmacro %}
