-- Grain: garage with payments. The currency of its payments; a test fails where there are two.
with payments as (

    select * from {{ ref('stg_payments') }}

)

select
    payments.garage_id,
    min(payments.currency) as currency,
    count(distinct payments.currency) as currencies
from payments
where payments.currency is not null
group by payments.garage_id
