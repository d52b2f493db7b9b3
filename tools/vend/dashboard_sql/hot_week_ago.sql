-- Grain: garage; the same weekday last week up to the same time of day: what was paid since midnight, the subscriptions
-- in force, and the vehicles counted in that hour. The hot views keep whole days and now only, so this reads the
-- operational tables, in which row-level security leaves a tenant's role the garages of its user.
with garages as (

    select unnest(:garages::uuid[]) as garage_id

),

begun as (

    select
        subscriptions.garage_id,
        subscriptions.created_at,
        case
            when subscriptions.canceled_at is null and subscriptions.status = 'canceled'
                then greatest(subscriptions.updated_at, subscriptions.created_at)
            when subscriptions.canceled_at is null then null
            when
                subscriptions.cancel_at_period_end
                and subscriptions.current_period_end > subscriptions.canceled_at
                then greatest(subscriptions.current_period_end, subscriptions.created_at)
            else greatest(subscriptions.canceled_at, subscriptions.created_at)
        end as ended_at
    from public.subscriptions
    where
        subscriptions.garage_id = any(:garages::uuid[])
        and subscriptions.status not in ('incomplete', 'incomplete_expired')

),

in_force as (

    select
        garage_id,
        count(*) as active_count
    from begun
    where created_at < :until::timestamp and (ended_at is null or ended_at >= :until::timestamp)
    group by garage_id

),

paid as (

    select
        payments.garage_id,
        count(*) as payment_count,
        sum(payments.amount) as gross_revenue
    from public.payments
    where
        payments.garage_id = any(:garages::uuid[])
        and payments.status = 'succeeded'
        and payments.payment_date >= :since::timestamp
        and payments.payment_date < :until::timestamp
    group by payments.garage_id

),

sheets as (

    select distinct on (sheets.garage_id)
        sheets.garage_id,
        sheets.hourly_occupancy
    from public.garage_daily_occupancy as sheets
    where
        sheets.garage_id = any(:garages::uuid[])
        and sheets.day >= :day::timestamp
        and sheets.day < :day::timestamp + interval '1 day'
    order by sheets.garage_id, sheets.created_at desc, sheets.id desc

)

select
    garages.garage_id::text as garage_id,
    coalesce(paid.gross_revenue, 0) as gross_revenue,
    coalesce(paid.payment_count, 0) as payment_count,
    coalesce(in_force.active_count, 0) as active_count,
    case
        when jsonb_typeof(sheets.hourly_occupancy -> :hour::integer) = 'number'
            then (sheets.hourly_occupancy ->> :hour::integer)::numeric::integer
    end as occupancy_count
from garages
left join paid on garages.garage_id = paid.garage_id
left join in_force on garages.garage_id = in_force.garage_id
left join sheets on garages.garage_id = sheets.garage_id
