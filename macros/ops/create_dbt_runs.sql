{#- One row per dbt command on the cold side. Not transient on Snowflake: nothing can build it again. -#}
{% macro create_dbt_runs(schema) -%}
create table if not exists {{ schema }}.dbt_runs (
    invocation_id varchar,
    command varchar,
    target varchar,
    started_at {{ type_naive_timestamp() }},
    finished_at {{ type_naive_timestamp() }},
    as_of varchar,
    status varchar,
    built integer,
    tests_passed integer,
    tests_warned integer,
    failed integer,
    skipped integer,
    dbt_version varchar
)
{%- endmacro %}

{#- One row per model, test, seed and snapshot of such a command. seconds: on the clock. -#}
{% macro create_dbt_nodes(schema) -%}
create table if not exists {{ schema }}.dbt_nodes (
    invocation_id varchar,
    unique_id varchar,
    resource_type varchar,
    name varchar,
    status varchar,
    started_at {{ type_naive_timestamp() }},
    seconds decimal(12, 3),
    rows_affected bigint,
    failures bigint,
    query_id varchar,
    message varchar
)
{%- endmacro %}
