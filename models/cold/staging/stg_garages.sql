-- Grain: garage.
with garages as (

    select
        *,
        ', ' || replace(replace(upper(trim(address)), ', UNITED STATES', ''), ', USA', '') as full_address
    from {{ source('raw', 'garages') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

),

states as (

    select
        state_code,
        state_name,
        region,
        ', ' || upper(state_name) as name_mark
    from {{ ref('state_regions') }}

),

last_parts as (

    select
        id,
        full_address,
        trim({{ dbt.split_part('full_address', "','", -1) }}) as last_part
    from garages

),

-- "…, Austin, TX 78701" names the state by its code, "…, Austin, Texas" by its name
candidates as (

    select
        last_parts.id,
        states.region,
        row_number() over (
            partition by last_parts.id
            order by
                case when {{ dbt.split_part('last_parts.last_part', "' '", 1) }} = states.state_code then 0 else 1 end,
                {{ dbt.position('states.name_mark', 'last_parts.full_address') }} desc nulls last,
                length(states.state_name) desc,
                states.state_code
        ) as preference
    from last_parts
    inner join states
        on {{ dbt.split_part('last_parts.last_part', "' '", 1) }} = states.state_code
            or {{ dbt.position('states.name_mark', 'last_parts.full_address') }} > 0

)

select
    garages.id as garage_id,
    trim(garages.name) as garage_name,
    trim(garages.address) as garage_address,
    garages.capacity as garage_capacity,
    garages.stripe_account_id,
    garages.created_at,
    garages.updated_at,
    coalesce(candidates.region, 'Other') as garage_region,
    garages._fivetran_synced
from garages
left join candidates on garages.id = candidates.id and candidates.preference = 1
