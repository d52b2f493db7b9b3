-- Grain: garage.
with garages as (

    select
        *,
        -- ' , AUSTIN , TX 78701 ': each part of the address between spaces and commas, so a state is a mark to find
        ' , ' || replace(replace(replace(upper(coalesce(address, '')), '.', ''), ', ', ','), ',', ' , ') || ' ' as marked_address
    from {{ source('raw', 'garages') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

),

states as (

    select
        state_code,
        region,
        ' , ' || state_code || ' ' as code_mark,
        ' , ' || upper(state_name) || ' ' as name_mark
    from {{ ref('state_regions') }}

),

-- "…, Austin, TX 78701" names the state by its code, "…, Austin, Texas" by its name; the last one named is meant
candidates as (

    select
        garages.id,
        states.region,
        row_number() over (
            partition by garages.id
            order by
                greatest(
                    {{ dbt.position('states.code_mark', 'garages.marked_address') }},
                    {{ dbt.position('states.name_mark', 'garages.marked_address') }}
                ) desc,
                states.state_code
        ) as preference
    from garages
    inner join states
        on
            {{ dbt.position('states.code_mark', 'garages.marked_address') }} > 0
            or {{ dbt.position('states.name_mark', 'garages.marked_address') }} > 0

)

select
    garages.id as garage_id,
    trim(garages.name) as garage_name,
    trim(garages.address) as garage_address,
    cast(garages.capacity as integer) as garage_capacity,
    garages.stripe_account_id,
    garages.created_at,
    garages.updated_at,
    coalesce(candidates.region, 'Other') as garage_region,
    cast(garages._fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from garages
left join candidates on garages.id = candidates.id and candidates.preference = 1
