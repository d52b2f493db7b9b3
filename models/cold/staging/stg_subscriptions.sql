-- Grain: subscription.
with subscriptions as (

    select
        id,
        stripe_subscription_id,
        user_id,
        garage_id,
        pass_id,
        stripe_price_id,
        lower(trim(status)) as status,
        current_period_start,
        current_period_end,
        coalesce(cancel_at_period_end, false) as cancel_at_period_end,
        canceled_at,
        monthly_amount,
        renewal_status,
        renewal_attempted_at,
        next_renewal_date,
        created_at,
        updated_at,
        cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
    from {{ source('raw', 'subscriptions') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

),

lives as (

    select
        *,
        status not in ('incomplete', 'incomplete_expired') as is_begun,
        {{ subscription_ended_at() }} as ended_at
    from subscriptions

)

select
    id as subscription_id,
    stripe_subscription_id,
    user_id,
    garage_id,
    pass_id,
    stripe_price_id,
    status,
    current_period_start,
    current_period_end,
    cancel_at_period_end,
    canceled_at,
    monthly_amount,
    renewal_status,
    renewal_attempted_at,
    next_renewal_date,
    created_at,
    updated_at,
    {{ month_key(to_reporting_time('created_at')) }} as subscription_month,
    case
        when is_begun and created_at < {{ as_of() }}
            then {{ dbt.datediff(
                'cast(' ~ to_reporting_time('created_at') ~ ' as date)',
                'cast(' ~ to_reporting_time('case when ended_at < ' ~ as_of() ~ ' then ended_at else ' ~ as_of() ~ ' end')
                    ~ ' as date)',
                'day'
            ) }}
    end as subscription_lifetime_days,
    coalesce(is_begun and ended_at < {{ as_of() }}, false) as is_churned,
    is_begun,
    ended_at,
    _fivetran_synced
from lives
