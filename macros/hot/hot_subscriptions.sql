{#- Begun subscriptions as of hot.as_of(), with created_local, ended_at and ended_local: the cold side's
    stg_subscriptions in Postgres' words. -#}
{% macro hot_subscriptions() -%}
    select
        id,
        garage_id,
        user_id,
        status,
        monthly_amount,
        cancel_at_period_end,
        canceled_at,
        created_at,
        {{ subscription_ended_at() }} as ended_at
    from {{ source('operational', 'subscriptions') }}
    where status not in ('incomplete', 'incomplete_expired') and created_at < (select hot.as_of())
{%- endmacro %}
