{#- One number for a group of rows, by the values of the columns: the same for the same rows in whatever order, and another
    one, as good as surely, where a row is more, less or different. Each engine has its own numbers, so they are compared with
    those of the same warehouse only. -#}
{% macro fingerprint(columns) -%}
    cast(sum(hash({{ columns | join(', ') }})) as decimal(38, 0))
{%- endmacro %}

{#- By what a model's rows were computed, beside the rows they come from: the zone of days and months, the fee rate, and the SQL
    of the model and of the views it reads, so that what an analyst changed is computed anew. As a literal. -#}
{% macro made_by() -%}
    {%- set texts = [model.get('raw_code') or ''] -%}
    {%- if execute -%}
        {%- for parent in model.get('depends_on', {}).get('nodes', []) | sort -%}
            {%- set node = graph.get('nodes', {}).get(parent) -%}
            {%- if node and node.config.materialized == 'view' -%}
                {%- do texts.append(node.raw_code) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endif -%}
    '{{ reporting_timezone() }} {{ platform_fee_rate() }} {{ local_md5(texts | join) }}'
{%- endmacro %}
