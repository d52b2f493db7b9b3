-- Grain: stay not over at as_of, also one that begins later.
{{ config(meta={'key': ['parking_id'], 'watched': ['parked']}) }}

with parked as (

    select * from {{ source('operational', 'parked') }}

)

select
    id as parking_id,
    garage_id,
    entered_at,
    exited_at
from parked
where exited_at is null or exited_at >= (select hot.as_of())
