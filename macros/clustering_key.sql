{#- For `cluster_by`: the columns where var `clustering` is true, else none; dbt ignores it on DuckDB. -#}
{% macro clustering_key(columns) -%}
    {{- return(columns if var('clustering') else none) -}}
{%- endmacro %}
