-- Grain: garage with payments. The currency of what went through there, or, where nothing has yet, of what was attempted; a
-- test fails where there are two.
with payments as (

    select
        garage_id,
        currency,
        case when status in ('succeeded', 'refunded') then 1 else 0 end as went_through
    from {{ ref('fact_payment_attempts') }}
    where currency is not null

),

counted as (

    select
        garage_id,
        min(currency) as attempted_currency,
        count(distinct currency) as attempted_currencies,
        min(case when went_through = 1 then currency end) as paid_currency,
        count(distinct case when went_through = 1 then currency end) as paid_currencies
    from payments
    group by garage_id

)

select
    garage_id,
    coalesce(paid_currency, attempted_currency) as currency,
    case when paid_currencies > 0 then paid_currencies else attempted_currencies end as currencies
from counted
