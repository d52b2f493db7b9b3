{#- What a dbt command really did, node by node, for whoever is on call: ops.dbt_runs and ops.dbt_nodes. Called by
    on-run-end; the cold side only, for the hot side has hot.refresh_log. Var record_runs: false switches it off. -#}
{% macro record_run(results) %}
    {% if not execute or target.type == 'postgres' or not var('record_runs') %}{{ return('') }}{% endif %}
    {% if flags.WHICH not in ('build', 'run', 'test', 'seed', 'snapshot', 'retry') %}{{ return('') }}{% endif %}
    {% set ops = generate_schema_name('ops', none) %}
    {% if not adapter.check_schema_exists(target.database, ops) %}
        {% do adapter.create_schema(api.Relation.create(database=target.database, schema=ops)) %}
    {% endif %}
    {% do run_query(create_dbt_runs(ops)) %}
    {% do run_query(create_dbt_nodes(ops)) %}

    {% set counts = {} %}
    {% set rows = [] %}
    {% for result in results if not result.node.unique_id.startswith('operation.') %}
        {% set status = result.status | string %}
        {% do counts.update({status: counts.get(status, 0) + 1}) %}
        {% set executed = result.timing | selectattr('name', 'equalto', 'execute') | list %}
        {% do rows.append([
            ops_text(invocation_id),
            ops_text(result.node.unique_id),
            ops_text(result.node.resource_type),
            ops_text(result.node.name),
            ops_text(status),
            ops_moment(executed[0].started_at if executed else none),
            '%.3f' | format(result.execution_time or 0),
            ops_number((result.adapter_response or {}).get('rows_affected')),
            ops_number(result.failures),
            ops_text((result.adapter_response or {}).get('query_id')),
            ops_text(result.message),
        ]) %}
    {% endfor %}

    {% for part in rows | batch(500) %}
        {% set values %}
            {%- for row in part %}({{ row | join(', ') }}){{ ',\n' if not loop.last }}{% endfor -%}
        {% endset %}
        {% do run_query('insert into ' ~ ops ~ '.dbt_nodes values\n' ~ values) %}
    {% endfor %}
    {% set failed = counts.get('error', 0) + counts.get('fail', 0) + counts.get('runtime error', 0) %}
    {% set run = [
        ops_text(invocation_id),
        ops_text(flags.WHICH),
        ops_text(target.name),
        ops_moment(run_started_at),
        ops_moment(modules.datetime.datetime.now(modules.pytz.utc)),
        ops_text(as_of_text()),
        ops_text('error' if failed else 'success'),
        counts.get('success', 0),
        counts.get('pass', 0),
        counts.get('warn', 0),
        failed,
        counts.get('skipped', 0),
        ops_text(dbt_version),
    ] %}
    {% do run_query('insert into ' ~ ops ~ '.dbt_runs values (' ~ run | join(', ') ~ ')') %}

    {% do tell_of_other_instants(ops, results) %}

    {% set oldest = ops_moment(run_started_at - modules.datetime.timedelta(days=var('run_history_days') | int)) %}
    {% do run_query('delete from ' ~ ops ~ '.dbt_nodes where started_at < ' ~ oldest) %}
    {% do run_query('delete from ' ~ ops ~ '.dbt_runs where started_at < ' ~ oldest) %}
{% endmacro %}
