-- Grain: garage and month, those of rpt_garage_monthly_pl. Movements are those of customers, not of single subscriptions;
-- rpt_platform_financials has the platform's.
with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

-- one sum for each kind of movement, of a million rows, and not one sum of all rows for each column
kinds as (

    select
        garage_id,
        month,
        movement,
        sum(closing_mrr) - sum(opening_mrr) as change,
        sum(customers_change) as customers_change,
        count(*) as customers
    from {{ ref('int_customer_changes') }}
    group by garage_id, month, movement

),

movements as (

    select
        garage_id,
        month,
        sum(change) as mrr_change,
        sum(case when movement = 'new' then change else 0 end) as new_mrr,
        sum(case when movement = 'reactivation' then change else 0 end) as reactivation_mrr,
        sum(case when movement = 'expansion' then change else 0 end) as expansion_mrr,
        sum(case when movement = 'contraction' then change else 0 end) as contraction_mrr,
        sum(case when movement = 'churn' then change else 0 end) as churned_mrr,
        sum(customers_change) as customers_change,
        sum(case when movement = 'new' then customers else 0 end) as new_customers,
        sum(case when movement = 'reactivation' then customers else 0 end) as reactivated_customers,
        sum(case when movement = 'expansion' then customers else 0 end) as expanded_customers,
        sum(case when movement = 'contraction' then customers else 0 end) as contracted_customers,
        sum(case when movement = 'churn' then customers else 0 end) as churned_customers
    from kinds
    group by garage_id, month

),

monthly as (

    select
        garage_months.garage_id,
        garage_months.garage_name,
        garage_months.month,
        garage_months.month_key,
        garage_months.currency,
        coalesce(movements.mrr_change, 0) as mrr_change,
        coalesce(movements.new_mrr, 0) as new_mrr,
        coalesce(movements.reactivation_mrr, 0) as reactivation_mrr,
        coalesce(movements.expansion_mrr, 0) as expansion_mrr,
        coalesce(movements.contraction_mrr, 0) as contraction_mrr,
        coalesce(movements.churned_mrr, 0) as churned_mrr,
        coalesce(movements.customers_change, 0) as customers_change,
        coalesce(movements.new_customers, 0) as new_customers,
        coalesce(movements.reactivated_customers, 0) as reactivated_customers,
        coalesce(movements.expanded_customers, 0) as expanded_customers,
        coalesce(movements.contracted_customers, 0) as contracted_customers,
        coalesce(movements.churned_customers, 0) as churned_customers
    from garage_months
    left join movements
        on garage_months.garage_id = movements.garage_id
            and garage_months.month = movements.month

),

-- what there is at a month's end is the sum of the changes up to it
closing as (

    select
        *,
        sum(mrr_change) over (
            partition by garage_id
            order by month
            rows between unbounded preceding and current row
        ) as closing_mrr,
        sum(customers_change) over (
            partition by garage_id
            order by month
            rows between unbounded preceding and current row
        ) as closing_customers
    from monthly

),

compared as (

    select
        *,
        closing_mrr - mrr_change as opening_mrr,
        closing_customers - customers_change as opening_customers
    from closing

)

select
    garage_id,
    garage_name,
    month,
    month_key,
    cast(opening_mrr as decimal(38, 2)) as opening_mrr,
    cast(new_mrr as decimal(38, 2)) as new_mrr,
    cast(reactivation_mrr as decimal(38, 2)) as reactivation_mrr,
    cast(expansion_mrr as decimal(38, 2)) as expansion_mrr,
    cast(contraction_mrr as decimal(38, 2)) as contraction_mrr,
    cast(churned_mrr as decimal(38, 2)) as churned_mrr,
    cast(closing_mrr - opening_mrr as decimal(38, 2)) as net_new_mrr,
    cast(closing_mrr as decimal(38, 2)) as closing_mrr,
    {{ percent('opening_mrr + contraction_mrr + churned_mrr', 'opening_mrr') }} as gross_retention_percent,
    {{ percent('opening_mrr + expansion_mrr + contraction_mrr + churned_mrr', 'opening_mrr') }} as net_retention_percent,
    cast(opening_customers as bigint) as opening_customers,
    cast(new_customers as bigint) as new_customers,
    cast(reactivated_customers as bigint) as reactivated_customers,
    cast(expanded_customers as bigint) as expanded_customers,
    cast(contracted_customers as bigint) as contracted_customers,
    cast(churned_customers as bigint) as churned_customers,
    cast(closing_customers as bigint) as closing_customers,
    currency
from compared
