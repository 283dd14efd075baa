{# Facts are incremental by campaign-day. The lake that an increment sees holds the files of the campaign-days that changed, and their
   list (leadfactory/d10_analytics/increments.py). #}

{# The campaign-days that the running build takes anew. Calls of no campaign have the one that their file is named after. #}
{% macro changed_cohorts() -%}
    read_parquet('{{ env_var("LEADFACTORY_LAKE", ".leadfactory/lake") }}/_changed.parquet')
{%- endmacro %}

{# Before an increment: out with the rows of changed campaign-days, those that are gone from the lake among them. #}
{% macro forget_changed() %}
    {%- if is_incremental() -%}
        delete from {{ this }}
        using {{ changed_cohorts() }} as changed
        where
            {%- if this.identifier == 'fct_vendor_calls' %}
            coalesce(campaign_id, '_none') = changed.campaign
            and coalesce({{ this.identifier }}.cohort_on, {{ this.identifier }}.occurred_on) = changed.cohort_on
            {%- else %}
            campaign_id = changed.campaign
            and {{ this.identifier }}.cohort_on = changed.cohort_on
            {%- endif %}
    {%- else -%}
        select 1
    {%- endif -%}
{% endmacro %}

{# In a fact that reads another fact: only campaign-days that are taken anew. #}
{% macro and_changed() %}
    {%- if is_incremental() %}
        and (campaign_id, cohort_on) in (select (campaign, cohort_on) from {{ changed_cohorts() }})
    {%- endif %}
{% endmacro %}

{# Whether the running build goes on from an earlier one, whose rows were tested then. #}
{% macro is_increment() %}{{ return(env_var('LEADFACTORY_INCREMENT', 'no') == 'yes') }}{% endmacro %}

{# Rows of a fact that an increment brought; every row otherwise. #}
{% macro brought_rows() -%}
    {%- if is_increment() -%}
        (campaign_id, cohort_on) in (select (changed.campaign, changed.cohort_on) from {{ changed_cohorts() }} as changed)
        or campaign_id is null
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{# A test with `where: brought` looks at the rows that the build brought. It is for facts only whose other side lies in the same
   campaign-day: there the rows of other campaign-days are as they were when they were tested. #}
{% macro get_where_subquery(relation) -%}
    {%- set where = config.get('where', '') -%}
    {%- if not where or (where == 'brought' and not is_increment()) -%}
        {%- do return(relation) -%}
    {%- endif -%}
    {%- set filtered -%}
        (select * from {{ relation }} where {{ brought_rows() if where == 'brought' else where }}) as dbt_subquery
    {%- endset -%}
    {%- do return(filtered) -%}
{%- endmacro %}
