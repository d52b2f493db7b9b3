-- Grain: charge: one bill of a subscription, collected by one attempt or by several. The source knows no bills, so a charge
-- is the answered attempts of a subscription in order, up to the one that goes through; what fails after it begins the next.
{{ config(materialized='table') }}

with attempts as (

    select
        *,
        coalesce(subscription_id, payment_id) as payer_id,
        -- what was refunded had gone through
        case when status = 'failed' then 0 else 1 end as went_through
    from {{ ref('fact_payment_attempts') }}
    where status in ('succeeded', 'refunded', 'failed') and payment_date < {{ as_of() }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

subscriptions as (

    select * from {{ ref('fact_subscriptions') }}

),

numbered as (

    select
        *,
        coalesce(sum(went_through) over (
            partition by payer_id
            order by payment_date, payment_id
            rows between unbounded preceding and 1 preceding
        ), 0) as charge_number,
        coalesce(lag(went_through) over (partition by payer_id order by payment_date, payment_id), 1) as is_first
    from attempts

),

charges as (

    select
        max(case when is_first = 1 then payment_id end) as charge_id,
        max(case when is_first = 1 then garage_id end) as garage_id,
        max(case when is_first = 1 then gross_amount end) as charged_amount,
        max(case when went_through = 1 then gross_amount end) as collected_amount,
        max(subscription_id) as subscription_id,
        min(payment_month) as charge_month,
        min(payment_date) as first_attempt_at,
        max(payment_date) as last_attempt_at,
        count(*) as attempts,
        max(went_through) as is_collected,
        case when max(went_through) = 1 and count(*) > 1 then 1 else 0 end as is_collected_later
    from numbered
    group by payer_id, charge_number

)

select
    charges.charge_id,
    charges.subscription_id,
    charges.garage_id,
    garages.currency,
    charges.charge_month,
    charges.first_attempt_at,
    charges.last_attempt_at,
    charges.attempts,
    charges.charged_amount,
    charges.collected_amount,
    charges.is_collected,
    charges.is_collected - charges.is_collected_later as is_collected_first,
    -- a sign-up that never paid was not in dunning, for there was nothing to keep
    case
        when subscriptions.is_begun and (charges.is_collected = 0 or charges.is_collected_later = 1) then 1
        else 0
    end as is_dunned,
    case when subscriptions.is_begun and charges.is_collected_later = 1 then 1 else 0 end as is_recovered,
    case
        when charges.is_collected = 0 and subscriptions.status in ('past_due', 'unpaid') then 1
        else 0
    end as is_in_dunning,
    case
        when subscriptions.is_begun and charges.is_collected_later = 1
            then {{ dbt.datediff(
                'cast(' ~ to_reporting_time('charges.first_attempt_at') ~ ' as date)',
                'cast(' ~ to_reporting_time('charges.last_attempt_at') ~ ' as date)',
                'day'
            ) }}
    end as days_to_recovery
from charges
left join garages on charges.garage_id = garages.garage_id
left join subscriptions on charges.subscription_id = subscriptions.subscription_id
