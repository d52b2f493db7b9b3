{#- A line of the run's output that names the reports last built as of another instant than those built now, for the two do not
    add up. Nothing if none was built now. Reads ops.dbt_runs and ops.dbt_nodes, in which the run already is. -#}
{% macro tell_of_other_instants(ops, results) %}
    {% set reports = [] %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' and node.name.startswith('rpt_') %}
        {% do reports.append(ops_text(node.unique_id)) %}
    {% endfor %}
    {% set built = [] %}
    {% for result in results if ops_text(result.node.unique_id) in reports and result.status | string == 'success' %}
        {% do built.append(result.node.name) %}
    {% endfor %}
    {% if not built or built | length == reports | length %}{{ return('') }}{% endif %}

    {% set query %}
        select
            builds.name,
            builds.as_of
        from (
            select
                nodes.name,
                runs.as_of,
                row_number() over (partition by nodes.unique_id order by nodes.started_at desc) as latest_first
            from {{ ops }}.dbt_nodes as nodes
            inner join {{ ops }}.dbt_runs as runs on nodes.invocation_id = runs.invocation_id
            where nodes.unique_id in ({{ reports | join(', ') }}) and nodes.status = 'success'
        ) as builds
        where builds.latest_first = 1 and builds.as_of <> {{ ops_text(as_of_text()) }}
        order by builds.name
    {% endset %}
    {% set others = {} %}
    {% for row in run_query(query) %}
        {% do others.setdefault(row[1], []).append(row[0]) %}
    {% endfor %}
    {% set told = [] %}
    {% for instant, names in others.items() %}
        {% do told.append('as of ' ~ instant ~ ': ' ~ names | join(', ')) %}
    {% endfor %}
    {% if told %}
        {% do log(
            'Built as of ' ~ as_of_text() ~ ', and these are still as of another instant, so they do not add up with it; '
            ~ told | join('; ') ~ '. Build all, or the part with the --as-of of the others.', info=true
        ) %}
    {% endif %}
{% endmacro %}
