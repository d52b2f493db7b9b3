-- Each answered attempt of a garage is counted once, each that failed is in one failed charge, and each that went through has
-- collected one charge; the platform's are the sums of the garages paid in reporting_currency.
with attempts as (

    select
        count(*) as attempts,
        sum(case when status = 'failed' then 1 else 0 end) as failures,
        sum(case when status = 'failed' then 0 else 1 end) as successes
    from {{ ref('fact_payment_attempts') }}
    where status in ('succeeded', 'refunded', 'failed') and payment_date < {{ as_of() }}

),

garages as (

    select
        sum(payment_attempts) as attempts,
        sum(failed_attempts) as failures,
        sum(collected_charges) as successes,
        sum(charges) - sum(first_attempt_charges) as failed_charges,
        sum(case when currency = '{{ reporting_currency() }}' then payment_attempts else 0 end) as covered_attempts,
        sum(case when currency = '{{ reporting_currency() }}' then charges else 0 end) as covered_charges
    from {{ ref('int_garage_charges') }}

),

failed as (

    select
        count(*) as failed_charges,
        sum(attempts - is_collected) as failures
    from {{ ref('int_failed_charges') }}

),

platform as (

    select
        sum(payment_attempts) as attempts,
        sum(charge_count) as charges
    from {{ ref('rpt_platform_health') }}

)

select
    attempts.attempts,
    garages.attempts as counted_attempts,
    platform.attempts as platform_attempts
from attempts
cross join garages
cross join failed
cross join platform
where coalesce(attempts.attempts, 0) <> coalesce(garages.attempts, 0)
    or coalesce(attempts.failures, 0) <> coalesce(garages.failures, 0)
    or coalesce(attempts.failures, 0) <> coalesce(failed.failures, 0)
    or coalesce(attempts.successes, 0) <> coalesce(garages.successes, 0)
    or coalesce(failed.failed_charges, 0) <> coalesce(garages.failed_charges, 0)
    or coalesce(garages.covered_attempts, 0) <> coalesce(platform.attempts, 0)
    or coalesce(garages.covered_charges, 0) <> coalesce(platform.charges, 0)
