-- Grain: pass and stretch of time with one list price, from held_from up to, not with, held_until. Before its first change a
-- pass cost what that change says it had cost; one without changes costs what it costs today.
with passes as (

    select * from {{ ref('stg_passes') }}

),

changes as (

    select
        pass_id,
        effective_date,
        new_price,
        first_value(old_price) over (
            partition by pass_id
            order by effective_date, created_at, pass_price_change_id
            rows between unbounded preceding and current row
        ) as first_price,
        -- of several at one instant the one recorded last holds
        row_number() over (
            partition by pass_id, effective_date
            order by created_at desc nulls last, pass_price_change_id desc
        ) as latest_first
    from {{ ref('stg_pass_price_history') }}
    where effective_date is not null

),

standing_changes as (

    select
        pass_id,
        new_price,
        first_price,
        effective_date as held_from,
        lead(effective_date) over (partition by pass_id order by effective_date) as held_until,
        row_number() over (partition by pass_id order by effective_date) as version_number
    from changes
    where latest_first = 1

),

firsts as (

    select
        passes.pass_id,
        1 as version_number,
        case when standing_changes.pass_id is null then passes.current_price else standing_changes.first_price end
            as list_price,
        cast(null as {{ type_naive_timestamp() }}) as held_from,
        standing_changes.held_from as held_until
    from passes
    left join standing_changes
        on passes.pass_id = standing_changes.pass_id
            and standing_changes.version_number = 1

)

select
    pass_id,
    version_number,
    list_price,
    held_from,
    held_until
from firsts

union all

select
    standing_changes.pass_id,
    standing_changes.version_number + 1 as version_number,
    standing_changes.new_price as list_price,
    standing_changes.held_from,
    standing_changes.held_until
from standing_changes
inner join passes on standing_changes.pass_id = passes.pass_id
