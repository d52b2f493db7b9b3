-- Grain: user and currency of garages, as in rpt_customer_360, which shows it. Incremental: all rows of a user whose events, or
-- who themselves, are not what they were. What moves with as_of from day to day is not in it.
{{ config(
    materialized='incremental',
    unique_key='user_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    pre_hook="{% if is_incremental() %}
        delete from {{ this }} where {{ key_number(['user_id']) }} not in (select user_number from {{ ref('dim_users') }})
    {% endif %}",
) }}

{#- what customers are made from, by the loader's times -#}
{% set made_from_tables = [
    ref('fact_payment_attempts'), ref('fact_parking_events'), ref('int_subscriptions'), ref('dim_users')
] %}
{#- whom the loader brought something of since, or whose subscription has ended since -#}
{% set seen = latest_held('_fivetran_synced', beside=['user_number', 'made_from']) if is_incremental() %}
{% set brought %}
    select user_number
    from (
        {% for table in made_from_tables %}
        select user_number from {{ table }} where _fivetran_synced > {{ seen }}
        union all
        {% endfor %}
        select user_number from {{ ref('int_subscriptions') }} where ended_at >= {{ seen }} and ended_at < {{ as_of() }}
    ) as brought
    where user_number is not null
{% endset %}
{% set user_hash = row_hash(['users.row_hash', made_by(), "'" ~ reporting_currency() ~ "'"]) %}
{#- with what is known of a user by all of their events -#}
{% set user_columns %}
        users.user_id,
        users.user_number,
        users.first_name,
        users.last_name,
        users.email,
        users.phone,
        users.user_created_at,
        users.user_cohort_month,
        greatest(users._fivetran_synced, coalesce(events_made_of._fivetran_synced, users._fivetran_synced))
            as _fivetran_synced,
        cast(coalesce(events_made_of.made_from, 0) + {{ user_hash }} as decimal(38, 0)) as made_from
{%- endset %}
{#- all others are not looked at where one number says that they are what they were -#}
{% set others_now %}
    select coalesce(sum(made_from), 0)
    from (
        select sum(row_hash) as made_from from {{ ref('int_customer_events') }}
        where user_number not in ({{ brought }})
        union all
        select sum({{ user_hash }}) as made_from from {{ ref('dim_users') }} as users
        where users.user_number not in ({{ brought }})
    ) as others
{% endset %}
{% set others_held %}
    select coalesce(sum(made_from), 0)
    from (select user_number, max(made_from) as made_from from {{ this }} group by user_number) as others
    where user_number not in ({{ brought }})
{% endset %}
{% set only_brought = seen and agree(others_now, others_held) %}

with {% if not only_brought %}

-- the events are read twice and not held, so that the first time needs three columns only
events_made_of as (

    select
        user_number,
        sum(row_hash) as made_from,
        max(_fivetran_synced) as _fivetran_synced
    from {{ ref('int_customer_events') }}
    group by user_number

),

users as (

    select
        {{- user_columns }}
    from {{ ref('dim_users') }} as users
    left join events_made_of on users.user_number = events_made_of.user_number

),

changed_users as (

    select users.*
    from users
    {% if is_incremental() %}
    {{ that_changed('users', 'user_number', columns=['made_from', '_fivetran_synced']) }}
    {% endif %}

),

{% endif %}
-- by garage first, so that a garage counts once
by_garage as (

    select
        user_number,
        currency,
        garage_id,
        sum(case when is_begun then 1 else 0 end) as total_subscriptions,
        sum(case when is_begun and left_at is null then 1 else 0 end) as active_subscriptions,
        sum(case when subscription_status in ('past_due', 'unpaid') then 1 else 0 end) as past_due_subscriptions,
        sum(case when is_begun and left_at is null then amount_per_month else 0 end) as monthly_recurring_revenue,
        min(begun_at) as first_subscribed_at,
        max(left_at) as last_left_at,
        sum(case when payment_status = 'succeeded' then 1 else 0 end) as payment_count,
        sum(case when payment_status = 'succeeded' then gross_amount else 0 end) as lifetime_value,
        sum(case when payment_status = 'succeeded' then platform_fee else 0 end) as lifetime_platform_fees,
        sum(case when payment_status = 'refunded' then gross_amount else 0 end) as refunded_amount,
        sum(case when payment_status = 'failed' then 1 else 0 end) as failed_attempts,
        min(case when payment_status = 'succeeded' then payment_date end) as first_paid_at,
        max(case when payment_status = 'succeeded' then payment_date end) as last_paid_at,
        count(seen_at) as stay_count,
        max(seen_at) as last_seen_at,
        sum(row_hash) as made_from,
        max(_fivetran_synced) as _fivetran_synced
    from {{ ref('int_customer_events') }}
    {% if only_brought %}
    where user_number in ({{ brought }})
    {% elif is_incremental() %}
    where user_number in (select changed_users.user_number from changed_users)
    {% endif %}
    group by user_number, currency, garage_id

),

{% if only_brought %}
events_made_of as (

    select
        user_number,
        sum(made_from) as made_from,
        max(_fivetran_synced) as _fivetran_synced
    from by_garage
    group by user_number

),

changed_users as (

    select
        {{- user_columns }}
    from {{ ref('dim_users') }} as users
    left join events_made_of on users.user_number = events_made_of.user_number
    where users.user_number in ({{ brought }})

),

{% endif %}
by_currency as (

    select
        by_garage.user_number,
        by_garage.currency,
        sum(by_garage.total_subscriptions) as total_subscriptions,
        sum(by_garage.active_subscriptions) as active_subscriptions,
        sum(by_garage.past_due_subscriptions) as past_due_subscriptions,
        sum(case when by_garage.total_subscriptions > 0 then 1 else 0 end) as total_garages,
        sum(case when by_garage.active_subscriptions > 0 then 1 else 0 end) as active_garages,
        sum(by_garage.monthly_recurring_revenue) as monthly_recurring_revenue,
        min(by_garage.first_subscribed_at) as first_subscribed_at,
        max(by_garage.last_left_at) as last_left_at,
        sum(by_garage.payment_count) as payment_count,
        sum(by_garage.lifetime_value) as lifetime_value,
        sum(by_garage.lifetime_platform_fees) as lifetime_platform_fees,
        sum(by_garage.refunded_amount) as refunded_amount,
        sum(by_garage.failed_attempts) as failed_attempts,
        min(by_garage.first_paid_at) as first_paid_at,
        max(by_garage.last_paid_at) as last_paid_at,
        sum(by_garage.stay_count) as stay_count,
        max(by_garage.last_seen_at) as last_seen_at
    from by_garage
    group by by_garage.user_number, by_garage.currency

)

select
    users.user_id,
    coalesce(by_currency.currency, '{{ reporting_currency() }}') as currency,
    users.first_name,
    users.last_name,
    users.email,
    users.phone,
    users.user_created_at,
    users.user_cohort_month,
    cast(coalesce(by_currency.total_subscriptions, 0) as bigint) as total_subscriptions,
    cast(coalesce(by_currency.active_subscriptions, 0) as bigint) as active_subscriptions,
    cast(coalesce(by_currency.past_due_subscriptions, 0) as bigint) as past_due_subscriptions,
    cast(coalesce(by_currency.total_garages, 0) as bigint) as total_garages,
    cast(coalesce(by_currency.active_garages, 0) as bigint) as active_garages,
    cast(coalesce(by_currency.monthly_recurring_revenue, 0) as decimal(38, 2)) as monthly_recurring_revenue,
    by_currency.first_subscribed_at,
    by_currency.last_left_at,
    cast(coalesce(by_currency.payment_count, 0) as bigint) as payment_count,
    cast(coalesce(by_currency.lifetime_value, 0) as decimal(38, 2)) as lifetime_value,
    cast(coalesce(by_currency.lifetime_platform_fees, 0) as decimal(38, 2)) as lifetime_platform_fees,
    cast(coalesce(by_currency.refunded_amount, 0) as decimal(38, 2)) as refunded_amount,
    cast(coalesce(by_currency.failed_attempts, 0) as bigint) as failed_attempts,
    by_currency.first_paid_at,
    by_currency.last_paid_at,
    cast(coalesce(by_currency.stay_count, 0) as bigint) as stay_count,
    by_currency.last_seen_at,
    users.user_number,
    users._fivetran_synced,
    users.made_from
from changed_users as users
left join by_currency on users.user_number = by_currency.user_number
