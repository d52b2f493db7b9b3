-- Grain: user.
with users as (

    select * from {{ source('raw', 'users') }}
    where id is not null and not coalesce(_fivetran_deleted, false)

)

select
    id as user_id,
    trim(first_name) as first_name,
    trim(last_name) as last_name,
    -- few have a space to trim, and looking for one is cheaper; a reader's rights hang on all addresses
    case when email like '% %' then lower(trim(email)) else lower(email) end as email,
    phone,
    stripe_customer_id,
    role,
    created_at,
    updated_at,
    {{ month_key(to_reporting_time('created_at')) }} as user_cohort_month,
    cast(_fivetran_synced as {{ type_naive_timestamp() }}) as _fivetran_synced
from users
