-- The revenue of every garage, over all its months, is that of fact_payments before as_of, and that of RAW.
with raw_payments as (

    select
        garage_id,
        sum(amount) as gross_revenue
    from {{ source('raw', 'payments') }}
    where not coalesce(_fivetran_deleted, false)
        and lower(trim(status)) = 'succeeded'
        and payment_date < {{ as_of() }}
    group by garage_id

),

payments as (

    select
        garage_id,
        sum(gross_amount) as gross_revenue,
        sum(garage_profit) as garage_profit
    from {{ ref('fact_payments') }}
    where payment_date < {{ as_of() }}
    group by garage_id

),

garage_months as (

    select
        garage_id,
        sum(gross_revenue) as gross_revenue,
        sum(garage_profit) as garage_profit
    from {{ ref('rpt_garage_monthly_pl') }}
    group by garage_id

),

garages as (

    select garage_id from raw_payments
    union
    select garage_id from payments
    union
    select garage_id from garage_months

)

select
    garages.garage_id,
    raw_payments.gross_revenue as raw_revenue,
    payments.gross_revenue as fact_revenue,
    garage_months.gross_revenue as report_revenue,
    payments.garage_profit as fact_profit,
    garage_months.garage_profit as report_profit
from garages
left join raw_payments on garages.garage_id = raw_payments.garage_id
left join payments on garages.garage_id = payments.garage_id
left join garage_months on garages.garage_id = garage_months.garage_id
where coalesce(raw_payments.gross_revenue, 0) <> coalesce(payments.gross_revenue, 0)
    or coalesce(payments.gross_revenue, 0) <> coalesce(garage_months.gross_revenue, 0)
    or coalesce(payments.garage_profit, 0) <> coalesce(garage_months.garage_profit, 0)
