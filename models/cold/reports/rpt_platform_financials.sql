-- Grain: month. Sums of rpt_financial_analytics and rpt_mrr_movements over the garages whose currency is reporting_currency.
with financials as (

    select * from {{ ref('rpt_financial_analytics') }}
    where currency = '{{ reporting_currency() }}'

),

movements as (

    select * from {{ ref('rpt_mrr_movements') }}
    where currency = '{{ reporting_currency() }}'

),

monthly_financials as (

    select
        month,
        month_key,
        currency,
        is_complete_month,
        sum(gross_revenue) as gross_revenue,
        sum(total_stripe_fees) as total_stripe_fees,
        sum(total_platform_fees) as total_platform_fees,
        sum(other_deductions) as other_deductions,
        sum(garage_profit) as garage_profit,
        sum(projected_revenue) as projected_revenue
    from financials
    group by month, month_key, currency, is_complete_month

),

monthly_movements as (

    select
        month,
        sum(opening_mrr) as opening_mrr,
        sum(new_mrr) as new_mrr,
        sum(reactivation_mrr) as reactivation_mrr,
        sum(expansion_mrr) as expansion_mrr,
        sum(contraction_mrr) as contraction_mrr,
        sum(churned_mrr) as churned_mrr,
        sum(closing_mrr) as closing_mrr
    from movements
    group by month

),

compared as (

    select
        *,
        lag(gross_revenue) over (order by month) as previous_month_revenue,
        lag(gross_revenue, 12) over (order by month) as previous_year_revenue
    from monthly_financials

)

select
    compared.month,
    compared.month_key,
    compared.is_complete_month,
    cast(compared.gross_revenue as decimal(38, 2)) as gross_revenue,
    cast(compared.total_stripe_fees as decimal(38, 2)) as total_stripe_fees,
    cast(compared.total_platform_fees as decimal(38, 2)) as total_platform_fees,
    cast(compared.other_deductions as decimal(38, 2)) as other_deductions,
    cast(compared.garage_profit as decimal(38, 2)) as garage_profit,
    {{ percent('compared.total_stripe_fees', 'compared.gross_revenue') }} as stripe_fee_percent,
    {{ percent('compared.total_platform_fees', 'compared.gross_revenue') }} as platform_fee_percent,
    {{ percent('compared.garage_profit', 'compared.gross_revenue') }} as margin_percent,
    cast(compared.previous_month_revenue as decimal(38, 2)) as previous_month_revenue,
    {{ percent('compared.gross_revenue - compared.previous_month_revenue', 'compared.previous_month_revenue') }}
        as revenue_growth_pct,
    cast(compared.previous_year_revenue as decimal(38, 2)) as previous_year_revenue,
    {{ percent('compared.gross_revenue - compared.previous_year_revenue', 'compared.previous_year_revenue') }}
        as yoy_growth_pct,
    cast(compared.projected_revenue as decimal(38, 2)) as projected_revenue,
    cast(monthly_movements.opening_mrr as decimal(38, 2)) as opening_mrr,
    cast(monthly_movements.new_mrr as decimal(38, 2)) as new_mrr,
    cast(monthly_movements.reactivation_mrr as decimal(38, 2)) as reactivation_mrr,
    cast(monthly_movements.expansion_mrr as decimal(38, 2)) as expansion_mrr,
    cast(monthly_movements.contraction_mrr as decimal(38, 2)) as contraction_mrr,
    cast(monthly_movements.churned_mrr as decimal(38, 2)) as churned_mrr,
    cast(monthly_movements.closing_mrr - monthly_movements.opening_mrr as decimal(38, 2)) as net_new_mrr,
    cast(monthly_movements.closing_mrr as decimal(38, 2)) as closing_mrr,
    {{ percent(
        'monthly_movements.opening_mrr + monthly_movements.contraction_mrr + monthly_movements.churned_mrr',
        'monthly_movements.opening_mrr'
    ) }} as gross_retention_percent,
    {{ percent(
        'monthly_movements.opening_mrr + monthly_movements.expansion_mrr + monthly_movements.contraction_mrr'
        ~ ' + monthly_movements.churned_mrr',
        'monthly_movements.opening_mrr'
    ) }} as net_retention_percent,
    compared.currency
from compared
inner join monthly_movements on compared.month = monthly_movements.month
