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
        where {{ key_number(['payer_id']) }} not in (
            select payer_number from {{ ref('fact_payment_attempts') }}
            where status = 'failed' and payment_date < {{ as_of() }}
        )
    {% endif %}",
) }}

-- most never fail, and only those who did need an order; by two numbers of each attempt
with payers as (

    select
        payer_number,
        cast(hash(sum(row_hash), {{ made_by() }}) as decimal(38, 0)) as made_from
    from {{ ref('fact_payment_attempts') }}
    where payment_date < {{ as_of() }}
        and payer_number in (
            select failures.payer_number from {{ ref('fact_payment_attempts') }} as failures
            where failures.status = 'failed' and failures.payment_date < {{ as_of() }}
        )
    group by payer_number

),

changed_payers as (

    select payers.*
    from payers
    {% if is_incremental() %}
    {{ that_changed(
        'payers',
        'payer_number',
        held='select ' ~ key_number(['payer_id']) ~ ' as payer_number, made_from from ' ~ this
    ) }}
    {% endif %}

),

attempts as (

    -- a payment without a subscription is a payer by itself; what was refunded had gone through
    select
        *,
        coalesce(subscription_id, payment_id) as payer_id,
        case when status = 'failed' then 0 else 1 end as went_through
    from {{ ref('fact_payment_attempts') }}
    where payer_number in (select changed_payers.payer_number from changed_payers)
        and status in ('succeeded', 'refunded', 'failed')
        and payment_date < {{ as_of() }}

),

numbered as (

    select
        *,
        coalesce(sum(went_through) over (
            partition by payer_id
            order by payment_date, payment_id
            rows between unbounded preceding and 1 preceding
        ), 0) as charge_number,
        coalesce(lag(went_through) over (
            partition by payer_id
            order by payment_date, payment_id
        ), 1) as is_first
    from attempts

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
    max(changed_payers.made_from) as made_from
from numbered
inner join changed_payers on numbered.payer_number = changed_payers.payer_number
where numbered.went_through = 0 or numbered.is_first = 0
group by numbered.payer_id, numbered.charge_number
