-- Each version of a snapshot ends where the next one begins, and the last one is the row as it is.
with versions as (

    select
        'subscription' as kind,
        subscription_id as id,
        dbt_valid_from,
        dbt_valid_to
    from {{ ref('snap_subscriptions') }}

    union all

    select
        'pass' as kind,
        pass_id as id,
        dbt_valid_from,
        dbt_valid_to
    from {{ ref('snap_passes') }}

),

followed as (

    select
        *,
        lead(dbt_valid_from) over (partition by kind, id order by dbt_valid_from) as next_valid_from
    from versions

),

outdated as (

    select subscriptions.subscription_id as id
    from {{ ref('stg_subscriptions') }} as subscriptions
    left join {{ ref('snap_subscriptions') }} as snapshots
        on
            subscriptions.subscription_id = snapshots.subscription_id
            and snapshots.dbt_valid_to is null
            and subscriptions.status = snapshots.status
            and subscriptions.monthly_amount = snapshots.monthly_amount
    where snapshots.subscription_id is null

    union all

    select passes.pass_id as id
    from {{ ref('stg_passes') }} as passes
    left join {{ ref('snap_passes') }} as snapshots
        on
            passes.pass_id = snapshots.pass_id
            and snapshots.dbt_valid_to is null
            and passes.current_price = snapshots.current_price
    where snapshots.pass_id is null

)

select
    id,
    'does not meet the next version' as objection
from followed
where dbt_valid_to is distinct from next_valid_from

union all

select
    id,
    'is otherwise in the source' as objection
from outdated
