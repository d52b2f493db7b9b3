-- Grain: garage and month, those of rpt_garage_monthly_pl; rpt_platform_financials has the platform's.
with profit_and_loss as (

    select
        *,
        lag(gross_revenue, 12) over (partition by garage_id order by month) as previous_year_revenue,
        lag(garage_profit) over (partition by garage_id order by month) as previous_month_profit,
        lag(garage_profit, 12) over (partition by garage_id order by month) as previous_year_profit
    from {{ ref('rpt_garage_monthly_pl') }}

),

garage_months as (

    select
        months.garage_id,
        months.month,
        {{ dbt.datediff('months.month', 'months.next_month', 'day') }} as days_in_month,
        {{ dbt.datediff('months.month', 'cast(' ~ to_reporting_time(as_of()) ~ ' as date)', 'day') }} as whole_days_so_far
    from {{ ref('int_garage_months') }} as months

),

-- what a running month is projected from: the days of it that are over
payments as (

    select * from {{ ref('fact_payments') }}
    where payment_month = {{ month_start(to_reporting_time(as_of())) }}
        and payment_date_day < cast({{ to_reporting_time(as_of()) }} as date)

),

whole_days as (

    select
        garage_id,
        payment_month as month,
        sum(gross_amount) as gross_revenue
    from payments
    group by garage_id, payment_month

),

monthly as (

    select
        profit_and_loss.*,
        case
            when profit_and_loss.is_complete_month then profit_and_loss.gross_revenue
            else
                {{ ratio(
                    'coalesce(whole_days.gross_revenue, 0) * garage_months.days_in_month',
                    'garage_months.whole_days_so_far',
                    scale=2
                ) }}
        end as projected_revenue
    from profit_and_loss
    inner join garage_months
        on profit_and_loss.garage_id = garage_months.garage_id
            and profit_and_loss.month = garage_months.month
    left join whole_days
        on profit_and_loss.garage_id = whole_days.garage_id
            and profit_and_loss.month = whole_days.month

)

select
    garage_id,
    garage_name,
    month,
    month_key,
    is_complete_month,
    gross_revenue,
    total_stripe_fees,
    total_platform_fees,
    cast(gross_revenue - total_stripe_fees - total_platform_fees - garage_profit as decimal(38, 2)) as other_deductions,
    garage_profit,
    {{ percent('total_stripe_fees', 'gross_revenue') }} as stripe_fee_percent,
    {{ percent('total_platform_fees', 'gross_revenue') }} as platform_fee_percent,
    {{ percent('garage_profit', 'gross_revenue') }} as margin_percent,
    previous_month_revenue,
    revenue_growth_pct,
    cast(previous_year_revenue as decimal(38, 2)) as previous_year_revenue,
    {{ percent('gross_revenue - previous_year_revenue', 'previous_year_revenue') }} as yoy_growth_pct,
    cast(garage_profit - previous_month_profit as decimal(38, 2)) as profit_change,
    cast(garage_profit - previous_year_profit as decimal(38, 2)) as yoy_profit_change,
    -- no less than what has come in, today included; null stays null
    cast(case when projected_revenue < gross_revenue then gross_revenue else projected_revenue end as decimal(38, 2))
        as projected_revenue,
    monthly_recurring_revenue,
    currency
from monthly
