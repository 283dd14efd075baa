{# Now by the factory's clock, by which the lake is dated too; the machine's where dbt is run by hand. #}
{% macro duckdb__current_timestamp() -%}
    {%- set told = env_var('LEADFACTORY_NOW', '') -%}
    {{ "timestamptz '" ~ told ~ "'" if told else 'now()' }}
{%- endmacro %}
