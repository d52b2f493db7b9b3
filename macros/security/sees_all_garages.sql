{#- Whether the session may see every garage: on Snowflake the role VEND_ADMIN or one that has it. DuckDB knows no
    roles; a super admin's rows in garage_access do it there. -#}
{% macro sees_all_garages() -%}
    {{ return(adapter.dispatch('sees_all_garages')()) }}
{%- endmacro %}

{% macro default__sees_all_garages() -%} false {%- endmacro %}

{% macro snowflake__sees_all_garages() -%} is_role_in_session('VEND_ADMIN') {%- endmacro %}
