-- Grain: garage and month with an answered attempt. An attempt counts in its own month, a charge in that of its first attempt.
with garages as (

    select * from {{ ref('dim_garages') }}

),

-- most have succeeded, and are counted already
attempts as (

    select
        garage_id,
        month,
        payment_count as attempts,
        0 as failures
    from {{ ref('int_pass_payments') }}

    union all

    select
        garage_id,
        payment_month as month,
        1 as attempts,
        case when status = 'failed' then 1 else 0 end as failures
    from {{ ref('fact_payment_attempts') }}
    where status in ('refunded', 'failed') and payment_date < {{ as_of() }}

),

answers as (

    select
        garage_id,
        month,
        sum(attempts) as payment_attempts,
        sum(failures) as failed_attempts
    from attempts
    group by garage_id, month

),

collections as (

    select
        collected_garage_id as garage_id,
        collected_month as month,
        count(*) as collections
    from {{ ref('int_failed_charge_attempts') }}
    where is_collected = 1
    group by collected_garage_id, collected_month

),

-- each in a month with an answer, its own first
failures as (

    select
        garage_id,
        charge_month as month,
        count(*) as charges,
        sum(is_collected) as collected_charges,
        sum(is_dunned) as dunned_charges,
        sum(is_recovered) as recovered_charges,
        sum(is_in_dunning) as in_dunning_charges,
        sum(case when is_dunned = 1 then charged_amount else 0 end) as dunned_amount,
        sum(case when is_recovered = 1 then collected_amount else 0 end) as recovered_amount,
        sum(days_to_recovery) as days_to_recovery
    from {{ ref('int_failed_charges') }}
    group by garage_id, charge_month

),

-- what goes through and ends no failed charge went through at the first attempt
firsts as (

    select
        answers.*,
        answers.payment_attempts - answers.failed_attempts - coalesce(collections.collections, 0) as first_attempt_charges
    from answers
    left join collections
        on answers.garage_id = collections.garage_id
            and answers.month = collections.month

)

select
    firsts.garage_id,
    firsts.month,
    garages.currency,
    firsts.payment_attempts,
    firsts.failed_attempts,
    firsts.first_attempt_charges + coalesce(failures.charges, 0) as charges,
    firsts.first_attempt_charges,
    firsts.first_attempt_charges + coalesce(failures.collected_charges, 0) as collected_charges,
    coalesce(failures.dunned_charges, 0) as dunned_charges,
    coalesce(failures.recovered_charges, 0) as recovered_charges,
    coalesce(failures.in_dunning_charges, 0) as in_dunning_charges,
    coalesce(failures.dunned_amount, 0) as dunned_amount,
    coalesce(failures.recovered_amount, 0) as recovered_amount,
    coalesce(failures.days_to_recovery, 0) as days_to_recovery
from firsts
inner join garages on firsts.garage_id = garages.garage_id
left join failures
    on firsts.garage_id = failures.garage_id
        and firsts.month = failures.month
