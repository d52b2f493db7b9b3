-- Grain: user and garage they may see: the garages they administer, all of them for a super admin.
with users as (

    select * from {{ ref('stg_users') }}

),

garage_admins as (

    select * from {{ ref('stg_garage_admins') }}

),

garages as (

    select * from {{ ref('dim_garages') }}

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

)

select
    access.user_id,
    access.garage_id,
    users.email,
    upper(users.email) as login_name
from access
inner join users on access.user_id = users.user_id
