-- Grain: garage.
{{ config(cluster_by=clustering_key(['garage_id'])) }}

with garages as (

    select * from {{ ref('stg_garages') }}

),

currencies as (

    select * from {{ ref('int_garage_currencies') }}

)

select
    garages.garage_id,
    garages.garage_name,
    garages.garage_address,
    garages.garage_capacity,
    garages.stripe_account_id,
    garages.garage_region,
    garages.created_at as garage_created_at,
    coalesce(currencies.currency, '{{ reporting_currency() }}') as currency
from garages
left join currencies on garages.garage_id = currencies.garage_id
