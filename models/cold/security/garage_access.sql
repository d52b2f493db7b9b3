-- Grain: user and garage they may see: the garages they administer, all of them for a super admin. An address that two
-- users have, however they write it, names neither.
with garage_admins as (

    select * from {{ ref('stg_garage_admins') }}

),

garages as (

    select * from {{ ref('stg_garages') }}

),

access as (

    select
        user_id,
        garage_id
    from garage_admins

    union

    select
        users.user_id,
        garages.garage_id
    from {{ ref('stg_users') }} as users
    cross join garages
    where users.role = 'super_admin'

),

-- few of many, so that a reader's query need not look at each user for the others who have the same address
readers as (

    select
        users.user_id,
        users.email
    from {{ ref('stg_users') }} as users
    where users.user_id in (select access.user_id from access)

),

shared_addresses as (

    select users.email
    from {{ ref('stg_users') }} as users
    where users.email in (select readers.email from readers)
    group by users.email
    having count(*) > 1

),

named_users as (

    select
        readers.user_id,
        case when shared_addresses.email is null and readers.email like '%@%' then readers.email end as email
    from readers
    left join shared_addresses on readers.email = shared_addresses.email

)

select
    access.user_id,
    access.garage_id,
    named_users.email,
    upper(named_users.email) as login_name
from access
inner join named_users on access.user_id = named_users.user_id
