-- Grain: begun subscription and month of its garage in which it was in force at some time.
with garage_months as (

    select * from {{ ref('int_garage_months') }}

),

subscriptions as (

    select
        *,
        {{ to_reporting_time('created_at') }} as created_local,
        -- what ends at as_of or later has not ended; decided on instants, for clocks repeat an hour in autumn
        case when ended_at < {{ as_of() }} then {{ to_reporting_time('ended_at') }} end as ended_local
    from {{ ref('fact_subscriptions') }}
    where is_begun and created_at < {{ as_of() }}

),

amounts as (

    select
        *,
        {{ to_reporting_time('held_from') }} as held_from_local,
        {{ to_reporting_time('held_until') }} as held_until_local
    from {{ ref('int_subscription_amounts') }}

)

select
    subscriptions.subscription_id,
    subscriptions.garage_id,
    subscriptions.user_id,
    subscriptions.status,
    coalesce(amounts.monthly_amount, subscriptions.monthly_amount) as monthly_amount,
    garage_months.month,
    garage_months.currency,
    case when subscriptions.created_local < garage_months.month then 1 else 0 end as is_opening,
    case when subscriptions.created_local >= garage_months.month then 1 else 0 end as is_new,
    case when subscriptions.ended_local < garage_months.next_month then 1 else 0 end as is_churned,
    case
        when subscriptions.ended_local is null or subscriptions.ended_local >= garage_months.next_month then 1
        else 0
    end as is_closing
from garage_months
inner join subscriptions
    on garage_months.garage_id = subscriptions.garage_id
        and garage_months.next_month > subscriptions.created_local
        and (subscriptions.ended_local is null or garage_months.month <= subscriptions.ended_local)
-- the amount at the month's end, as in_force asks there: what changes at that very instant counts after it
left join amounts
    on subscriptions.subscription_id = amounts.subscription_id
        and (amounts.held_from_local is null or garage_months.next_month > amounts.held_from_local)
        and (amounts.held_until_local is null or garage_months.next_month <= amounts.held_until_local)
