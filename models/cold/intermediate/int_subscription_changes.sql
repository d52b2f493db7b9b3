-- Grain: begun subscription and month in which it began, ended or had another amount. In between it is as the last of these
-- left it, so what stands at a month's end is the sum of the changes up to it: a row for each change instead of each month.
-- Incremental: the rows of a subscription that is not what it was, or that began, ended or changed its amount since, by as_of.
{{ config(
    materialized='incremental',
    unique_key='subscription_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    post_hook="{% if is_incremental() %}
        {%- set begun -%}
            select subscription_id from {{ ref('int_subscriptions') }}
            where is_begun and created_at < {{ as_of() }}
                and garage_id in (select garage_id from {{ ref('dim_garages') }})
        {%- endset -%}
        {%- if not agree(
            'select sum(hash(subscription_id)) from (' ~ begun ~ ') as begun',
            'select sum(hash(subscription_id)) from ' ~ this ~ ' where is_new = 1'
        ) -%}
            delete from {{ this }} where hash(subscription_id) not in (select hash(subscription_id) from ({{ begun }}) as begun)
        {%- endif -%}
    {% endif %}",
) }}

with amounts as (

    select
        *,
        {{ to_reporting_time('held_from') }} as held_from_local,
        {{ to_reporting_time('held_until') }} as held_until_local
    from {{ ref('int_subscription_amounts') }}

),

amounts_made_of as (

    select
        subscription_id,
        {{ fingerprint(['version_number', 'monthly_amount', 'held_from', 'held_until']) }} as made_from
    from {{ ref('int_subscription_amounts') }}
    group by subscription_id

),

-- of few and narrow columns, for it is all that most need
made_of as (

    select
        subscriptions.subscription_id,
        garages.currency,
        cast(hash(
            subscriptions.row_hash,
            garages.currency,
            subscriptions.ended_at < {{ as_of() }},
            amounts_made_of.made_from,
            {{ made_by() }}
        ) as decimal(38, 0)) as made_from
    from {{ ref('int_subscriptions') }} as subscriptions
    inner join {{ ref('dim_garages') }} as garages on subscriptions.garage_id = garages.garage_id
    left join amounts_made_of on subscriptions.subscription_id = amounts_made_of.subscription_id
    where subscriptions.is_begun and subscriptions.created_at < {{ as_of() }}

),

changed as (

    select made_of.*
    from made_of
    {% if is_incremental() %}
    {{ that_changed(
        'made_of', 'subscription_id', held='select subscription_id, made_from from ' ~ this ~ ' where is_new = 1'
    ) }}
    {% endif %}

),

lives as (

    select
        subscriptions.*,
        changed.currency,
        changed.made_from,
        {{ to_reporting_time('subscriptions.created_at') }} as created_local,
        -- what ends at as_of or later has not ended; decided on instants, for clocks repeat an hour in autumn
        case when subscriptions.ended_at < {{ as_of() }} then {{ to_reporting_time('subscriptions.ended_at') }} end as ended_local
    from {{ ref('int_subscriptions') }} as subscriptions
    inner join changed on subscriptions.subscription_id = changed.subscription_id

),

changed_lives as (

    select
        subscription_id,
        garage_id,
        user_id,
        status,
        currency,
        monthly_amount as amount_now,
        -- one that ended the instant it began was in force at no time
        case when ended_at = created_at then 0 else 1 end as is_ever_in_force,
        subscription_start_date,
        case
            when ended_local is not null
                then {{ dbt.datediff('subscription_start_date', 'subscription_end_date', 'day') }}
        end as subscription_lifetime_days,
        {{ month_start('created_local') }} as first_month,
        {{ month_start('ended_local') }} as last_month,
        made_from
    from lives

),

repriced as (

    select distinct
        subscription_id,
        {{ month_start('held_from_local') }} as month
    from amounts
    where held_from_local is not null

),

changes as (

    select
        changed_lives.*,
        changed_lives.first_month as month,
        1 as is_new,
        case when changed_lives.last_month = changed_lives.first_month then 1 else 0 end as is_churned
    from changed_lives

    union all

    select
        changed_lives.*,
        changed_lives.last_month as month,
        0 as is_new,
        1 as is_churned
    from changed_lives
    where changed_lives.last_month > changed_lives.first_month

    union all

    select
        changed_lives.*,
        repriced.month,
        0 as is_new,
        0 as is_churned
    from changed_lives
    inner join repriced
        on changed_lives.subscription_id = repriced.subscription_id
            and changed_lives.first_month < repriced.month
            and (changed_lives.last_month is null or changed_lives.last_month > repriced.month)

),

months as (

    select
        *,
        cast({{ dbt.dateadd('month', 1, 'month') }} as date) as next_month
    from changes

),

priced as (

    select
        months.*,
        coalesce(closing.monthly_amount, months.amount_now) as monthly_amount,
        case when months.is_new = 1 then 0 else coalesce(opening.monthly_amount, months.amount_now) end as opening_mrr
    from months
    -- the amount at the month's end, as in_force asks there: what changes at that very instant counts after it
    left join amounts as closing
        on months.subscription_id = closing.subscription_id
            and (closing.held_from_local is null or months.next_month > closing.held_from_local)
            and (closing.held_until_local is null or months.next_month <= closing.held_until_local)
    left join amounts as opening
        on months.subscription_id = opening.subscription_id
            and (opening.held_from_local is null or months.month > opening.held_from_local)
            and (opening.held_until_local is null or months.month <= opening.held_until_local)

)

select
    subscription_id,
    garage_id,
    user_id,
    status,
    currency,
    month,
    is_new,
    is_churned,
    is_ever_in_force,
    subscription_start_date,
    subscription_lifetime_days,
    monthly_amount,
    case when is_churned = 1 then 0 else monthly_amount end - opening_mrr as mrr_change,
    made_from,
    {{ row_hash(['subscription_id', 'month', 'made_from']) }} as row_hash
from priced
