-- Each answered attempt is in one charge, and what went through is what the charges collected: by garage, and by month over
-- the platform.
with attempts as (

    select
        garage_id,
        count(*) as attempts,
        sum(case when status = 'failed' then 0 else 1 end) as successes,
        sum(case when status = 'failed' then 0 else gross_amount end) as amount
    from {{ ref('fact_payment_attempts') }}
    where status in ('succeeded', 'refunded', 'failed') and payment_date < {{ as_of() }}
    group by garage_id

),

charges as (

    select
        garage_id,
        sum(attempts) as attempts,
        sum(is_collected) as successes,
        sum(coalesce(collected_amount, 0)) as amount
    from {{ ref('int_charges') }}
    group by garage_id

),

platform as (

    select
        sum(payment_attempts) as attempts,
        sum(collected_charge_count) as successes
    from {{ ref('rpt_platform_health') }}

),

covered as (

    select
        coalesce(sum(attempts.attempts), 0) as attempts,
        coalesce(sum(attempts.successes), 0) as successes
    from attempts
    inner join {{ ref('dim_garages') }} as garages on attempts.garage_id = garages.garage_id
    where garages.currency = '{{ reporting_currency() }}'

)

select coalesce(attempts.garage_id, charges.garage_id) as objection
from attempts
full outer join charges on attempts.garage_id = charges.garage_id
where attempts.attempts is distinct from charges.attempts
    or attempts.successes is distinct from charges.successes
    or attempts.amount is distinct from charges.amount

union all

select 'platform' as objection
from platform
cross join covered
where coalesce(platform.attempts, 0) <> covered.attempts
    or coalesce(platform.successes, 0) <> covered.successes
