-- Grain: garage with payments. The currency of its payments; a test fails where there are two.
with payments as (

    select * from {{ ref('stg_payments') }}

)

select
    garage_id,
    min(currency) as currency,
    count(distinct currency) as currencies
from payments
where currency is not null
group by garage_id
