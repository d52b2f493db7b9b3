-- Grain: payment attempt, subscription or stay of a known user before as_of, in the currency of its garage: what int_customers
-- adds up, with one number for all that counts of it. What an event says nothing of is null.
with garages as (

    select * from {{ ref('dim_garages') }}

),

amounts as (

    select * from {{ ref('int_subscription_amounts') }}
    where held_until is null

),

subscriptions as (

    select
        subscriptions.*,
        garages.currency,
        case when subscriptions.is_begun then subscriptions.created_at end as begun_at,
        -- what ends at as_of or later has not ended
        case when subscriptions.is_begun and subscriptions.ended_at < {{ as_of() }} then subscriptions.ended_at end as left_at,
        coalesce(amounts.monthly_amount, subscriptions.monthly_amount) as amount_per_month
    from {{ ref('int_subscriptions') }} as subscriptions
    inner join garages on subscriptions.garage_id = garages.garage_id
    left join amounts on subscriptions.subscription_id = amounts.subscription_id
    where subscriptions.created_at < {{ as_of() }} and subscriptions.user_number is not null

),

payments as (

    select
        attempts.*,
        garages.currency as garage_currency
    from {{ ref('fact_payment_attempts') }} as attempts
    inner join garages on attempts.garage_id = garages.garage_id
    where attempts.payment_date < {{ as_of() }} and attempts.user_number is not null

),

stays as (

    select
        stays.*,
        garages.currency,
        case when stays.exited_at < {{ as_of() }} then stays.exited_at else stays.entered_at end as seen_at
    from {{ ref('fact_parking_events') }} as stays
    inner join garages on stays.garage_id = garages.garage_id
    where stays.entered_at < {{ as_of() }} and stays.user_number is not null

)

select
    'subscription' as event_type,
    subscription_id as event_id,
    user_id,
    user_number,
    currency,
    garage_id,
    _fivetran_synced,
    {{ row_hash(['row_hash', 'currency', 'left_at', 'amount_per_month']) }} as row_hash,
    is_begun,
    status as subscription_status,
    amount_per_month,
    begun_at,
    left_at,
    cast(null as varchar) as payment_status,
    cast(null as decimal(10, 2)) as gross_amount,
    cast(null as decimal(12, 2)) as platform_fee,
    cast(null as {{ type_naive_timestamp() }}) as payment_date,
    cast(null as {{ type_naive_timestamp() }}) as seen_at
from subscriptions

union all

select
    'payment' as event_type,
    payment_id as event_id,
    user_id,
    user_number,
    garage_currency as currency,
    garage_id,
    _fivetran_synced,
    {{ row_hash(['row_hash', 'garage_currency']) }} as row_hash,
    null as is_begun,
    null as subscription_status,
    null as amount_per_month,
    null as begun_at,
    null as left_at,
    status as payment_status,
    gross_amount,
    platform_fee,
    payment_date,
    null as seen_at
from payments

union all

select
    'stay' as event_type,
    parking_id as event_id,
    user_id,
    user_number,
    currency,
    garage_id,
    _fivetran_synced,
    {{ row_hash(['row_hash', 'currency', 'seen_at']) }} as row_hash,
    null as is_begun,
    null as subscription_status,
    null as amount_per_month,
    null as begun_at,
    null as left_at,
    null as payment_status,
    null as gross_amount,
    null as platform_fee,
    null as payment_date,
    seen_at
from stays
