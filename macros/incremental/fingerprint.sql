{#- One number for a group of rows, by the values of the columns: the same for the same rows in whatever order, and another
    one, as good as surely, where a row is more, less or different. Each engine has its own numbers, so they are compared with
    those of the same warehouse only. -#}
{% macro fingerprint(columns) -%}
    cast(sum(hash({{ columns | join(', ') }})) as decimal(38, 0))
{%- endmacro %}

{#- By what a model's rows were computed, beside the rows they come from: the zone of days and months, the fee rate, and the SQL
    of the model and of the views it reads, so that what an analyst changed is computed anew. As a literal. A build of the model
    without those views reads them as an earlier build left them, whatever their SQL is by now: such rows are marked, and the next
    build of all takes them for outdated. `of_all`: the literal of a build of all in any case. -#}
{% macro made_by(of_all=false) -%}
    {%- set texts = [model.get('raw_code') or ''] -%}
    {%- set views = views_among(model.get('depends_on', {}).get('nodes', [])) if execute else [] -%}
    {%- for view in views -%}
        {%- do texts.append(graph['nodes'][view].raw_code) -%}
    {%- endfor -%}
    {%- set is_part = views | reject('in', selected_resources) | list | length > 0 -%}
    '{{ reporting_timezone() }} {{ platform_fee_rate() }} {{ local_md5(texts | join) }}
    {{- '' if of_all or not is_part else ' without its views' }}'
{%- endmacro %}

{#- The views among nodes, by their ids, and those that these read. -#}
{% macro views_among(nodes) -%}
    {%- set found = [] -%}
    {%- for name in nodes | sort -%}
        {%- set node = graph.get('nodes', {}).get(name) -%}
        {%- if node and node.config.materialized == 'view' -%}
            {%- do found.append(name) -%}
            {%- do found.extend(views_among(node.depends_on.nodes)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{- return(found | unique | list) -}}
{%- endmacro %}
