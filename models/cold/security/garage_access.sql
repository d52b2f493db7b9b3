-- Grain: user and garage they may see: the garages they administer, all of them for a super admin. An address that two
-- users have, however they write it, names neither.
with users as (

    select
        *,
        count(*) over (partition by email) as users_of_email
    from {{ ref('stg_users') }}

),

garage_admins as (

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
    from users
    cross join garages
    where users.role = 'super_admin'

),

named_users as (

    select
        user_id,
        case when users_of_email = 1 and email like '%@%' then email end as email
    from users

)

select
    access.user_id,
    access.garage_id,
    named_users.email,
    upper(named_users.email) as login_name
from access
inner join named_users on access.user_id = named_users.user_id
