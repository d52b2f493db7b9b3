-- Grain: charge whose first attempt failed. A charge is one bill; the source knows none, so it is the answered attempts of a
-- subscription in order, up to the one that goes through. What goes through and ends none of these is a charge by itself.
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

-- most never fail, and only these need an order
payers as (

    select distinct payer_id
    from attempts
    where went_through = 0

),

numbered as (

    select
        attempts.payment_id,
        coalesce(sum(attempts.went_through) over (
            partition by attempts.payer_id
            order by attempts.payment_date, attempts.payment_id
            rows between unbounded preceding and 1 preceding
        ), 0) as charge_number,
        coalesce(lag(attempts.went_through) over (
            partition by attempts.payer_id
            order by attempts.payment_date, attempts.payment_id
        ), 1) as is_first
    from attempts
    inner join payers on attempts.payer_id = payers.payer_id

),

-- what goes through and has no failure before it is no failed charge
failing as (

    select
        attempts.*,
        numbered.charge_number,
        numbered.is_first
    from numbered
    inner join attempts on numbered.payment_id = attempts.payment_id
    where attempts.went_through = 0 or numbered.is_first = 0

),

charges as (

    select
        max(case when is_first = 1 then payment_id end) as charge_id,
        max(case when is_first = 1 then garage_id end) as garage_id,
        max(case when is_first = 1 then gross_amount end) as charged_amount,
        max(case when is_first = 1 then currency end) as charged_currency,
        max(case when went_through = 1 then payment_id end) as collected_payment_id,
        max(case when went_through = 1 then gross_amount end) as collected_amount,
        max(subscription_id) as subscription_id,
        min(payment_month) as charge_month,
        min(payment_date) as first_attempt_at,
        max(payment_date) as last_attempt_at,
        count(*) as attempts,
        max(went_through) as is_collected
    from failing
    group by payer_id, charge_number

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
