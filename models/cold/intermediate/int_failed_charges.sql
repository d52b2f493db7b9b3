-- Grain: charge whose first attempt failed, with what became of its subscription.
with charges as (

    select * from {{ ref('int_failed_charge_attempts') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

subscriptions as (

    select * from {{ ref('int_subscriptions') }}

),

known as (

    select
        charges.*,
        garages.currency,
        subscriptions.status,
        -- a sign-up that never paid was not in dunning, for there was nothing to keep
        case when subscriptions.is_begun then 1 else 0 end as is_dunned
    from charges
    left join garages on charges.garage_id = garages.garage_id
    left join subscriptions on charges.subscription_id = subscriptions.subscription_id

)

select
    charge_id,
    subscription_id,
    garage_id,
    currency,
    charge_month,
    first_attempt_at,
    last_attempt_at,
    attempts,
    case when charged_currency = currency then charged_amount end as charged_amount,
    collected_payment_id,
    collected_garage_id,
    collected_month,
    collected_amount,
    is_collected,
    is_dunned,
    is_dunned * is_collected as is_recovered,
    case when is_collected = 0 and status in ('past_due', 'unpaid') then 1 else 0 end as is_in_dunning,
    case
        when is_dunned = 1 and is_collected = 1
            then {{ dbt.datediff(
                'cast(' ~ to_reporting_time('first_attempt_at') ~ ' as date)',
                'cast(' ~ to_reporting_time('last_attempt_at') ~ ' as date)',
                'day'
            ) }}
    end as days_to_recovery
from known
