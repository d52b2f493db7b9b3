-- Grain: garage and month, those of rpt_garage_monthly_pl. Ranked among the garages of the same currency that have the month.
with financials as (

    select * from {{ ref('rpt_financial_analytics') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

),

occupancy as (

    select * from {{ ref('rpt_occupancy_analytics') }}

),

figures as (

    select
        financials.garage_id,
        financials.garage_name,
        garages.garage_region,
        garages.garage_capacity,
        financials.month,
        financials.month_key,
        financials.is_complete_month,
        financials.gross_revenue,
        financials.garage_profit,
        financials.previous_month_revenue,
        financials.revenue_growth_pct,
        financials.currency,
        occupancy.avg_occupancy_rate as utilization_rate
    from financials
    inner join garages on financials.garage_id = garages.garage_id
    left join occupancy
        on financials.garage_id = occupancy.garage_id
            and financials.month = occupancy.month

),

ranked as (

    select
        *,
        rank() over (partition by currency, month order by gross_revenue desc nulls last) as revenue_rank,
        rank() over (partition by currency, month order by revenue_growth_pct desc nulls last) as growth_place,
        rank() over (partition by currency, month order by utilization_rate desc nulls last) as utilization_place,
        count(*) over (partition by currency, month) as garages_ranked
    from figures

),

compared as (

    select
        *,
        lag(revenue_rank) over (partition by garage_id order by month) as previous_revenue_rank
    from ranked

)

select
    garage_id,
    garage_name,
    month,
    month_key,
    is_complete_month,
    cast(revenue_rank as bigint) as revenue_rank,
    cast(previous_revenue_rank as bigint) as previous_revenue_rank,
    cast(previous_revenue_rank - revenue_rank as bigint) as revenue_rank_change,
    cast(case when revenue_growth_pct is not null then growth_place end as bigint) as growth_rank,
    cast(case when utilization_rate is not null then utilization_place end as bigint) as utilization_rank,
    cast(garages_ranked as bigint) as garages_ranked,
    gross_revenue,
    garage_profit,
    previous_month_revenue,
    revenue_growth_pct,
    utilization_rate,
    {{ ratio('gross_revenue', 'garage_capacity') }} as revenue_per_space,
    garage_region,
    currency
from compared
