-- A garage's place by revenue is one more than the number of garages of its currency that had more in the month, and the place
-- before is that of the month before.
with rankings as (

    select * from {{ ref('rpt_garage_rankings') }}

),

places as (

    select
        rankings.garage_id,
        rankings.month,
        count(*) as rivals,
        1 + sum(case when others.gross_revenue > rankings.gross_revenue then 1 else 0 end) as place
    from rankings
    inner join rankings as others
        on rankings.currency = others.currency
            and rankings.month = others.month
    group by rankings.garage_id, rankings.month

),

months_before as (

    select
        garage_id,
        cast({{ dbt.dateadd('month', 1, 'month') }} as date) as month,
        place
    from places

)

select
    rankings.garage_id,
    rankings.month
from rankings
inner join places
    on rankings.garage_id = places.garage_id
        and rankings.month = places.month
left join months_before
    on rankings.garage_id = months_before.garage_id
        and rankings.month = months_before.month
where rankings.revenue_rank <> places.place
    or rankings.garages_ranked <> places.rivals
    or rankings.previous_revenue_rank is distinct from months_before.place
    or rankings.revenue_rank_change is distinct from months_before.place - places.place
