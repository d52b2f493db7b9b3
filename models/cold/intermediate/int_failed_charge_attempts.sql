-- Grain: charge whose first attempt failed. A charge is one bill; the source knows none, so it is the answered attempts of a
-- payer in order, up to the one that goes through. What goes through and ends none of these is a charge by itself.
-- Incremental: the charges of the payers whose attempts are others than those they were made from.
{{ config(
    materialized='incremental',
    unique_key='payer_id',
    incremental_strategy='delete+insert',
    on_schema_change='append_new_columns',
    pre_hook="{% if is_incremental() %}
        delete from {{ this }}
        where payer_id not in (
            select coalesce(subscription_id, payment_id) from {{ ref('fact_payment_attempts') }}
            where status = 'failed' and payment_date < {{ as_of() }}
        )
    {% endif %}",
) }}

with attempts as (

    select
        payment_id,
        subscription_id,
        garage_id,
        status,
        gross_amount,
        currency,
        payment_date,
        payment_month,
        coalesce(subscription_id, payment_id) as payer_id,
        -- what was refunded had gone through
        case when status = 'failed' then 0 else 1 end as went_through
    from {{ ref('fact_payment_attempts') }}
    where status in ('succeeded', 'refunded', 'failed') and payment_date < {{ as_of() }}

),

-- most never fail, and only these need an order
payers as (

    select
        payer_id,
        {{ fingerprint([
            'payment_id', 'garage_id', 'status', 'gross_amount', 'currency', 'payment_date', 'payment_month', made_by()
        ]) }} as made_from
    from attempts
    group by payer_id
    having min(went_through) = 0

),

changed_payers as (

    select payers.*
    from payers
    {% if is_incremental() %}
    {{ that_changed('payers', 'payer_id') }}
    {% endif %}

),

numbered as (

    select
        attempts.*,
        changed_payers.made_from,
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
    inner join changed_payers on attempts.payer_id = changed_payers.payer_id

)

-- what goes through and has no failure before it is no failed charge
select
    numbered.payer_id,
    numbered.charge_number,
    max(case when numbered.is_first = 1 then numbered.payment_id end) as charge_id,
    max(case when numbered.is_first = 1 then numbered.garage_id end) as garage_id,
    max(case when numbered.is_first = 1 then numbered.gross_amount end) as charged_amount,
    max(case when numbered.is_first = 1 then numbered.currency end) as charged_currency,
    max(case when numbered.went_through = 1 then numbered.payment_id end) as collected_payment_id,
    max(case when numbered.went_through = 1 then numbered.garage_id end) as collected_garage_id,
    max(case when numbered.went_through = 1 then numbered.payment_month end) as collected_month,
    max(case when numbered.went_through = 1 then numbered.gross_amount end) as collected_amount,
    max(numbered.subscription_id) as subscription_id,
    min(numbered.payment_month) as charge_month,
    min(numbered.payment_date) as first_attempt_at,
    max(numbered.payment_date) as last_attempt_at,
    count(*) as attempts,
    max(numbered.went_through) as is_collected,
    max(numbered.made_from) as made_from
from numbered
where numbered.went_through = 0 or numbered.is_first = 0
group by numbered.payer_id, numbered.charge_number
