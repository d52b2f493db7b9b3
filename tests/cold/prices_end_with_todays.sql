-- The last change of a pass's price that its history tells of leads to the price it has; else a change was not recorded, and
-- list prices are wrong since then. What was changed at as_of or later is not looked at.
{{ config(severity='warn') }}

select
    passes.pass_id,
    passes.current_price,
    prices.list_price
from {{ ref('stg_passes') }} as passes
inner join {{ ref('int_pass_prices') }} as prices on passes.pass_id = prices.pass_id
where passes.updated_at < {{ as_of() }}
    and (prices.held_from is null or prices.held_from < {{ as_of() }})
    and (prices.held_until is null or prices.held_until >= {{ as_of() }})
    and prices.list_price is distinct from passes.current_price
