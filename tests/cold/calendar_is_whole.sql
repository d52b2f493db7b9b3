-- dim_date has every day of whole years, up to the fifteenth year after that of as_of.
with calendar as (

    select
        min(date_day) as first_day,
        max(date_day) as last_day,
        count(*) as days
    from {{ ref('dim_date') }}

)

select *
from calendar
where days <> {{ dbt.datediff('first_day', 'last_day', 'day') }} + 1
    or first_day <> cast('{{ var("calendar_start") }}' as date)
    or extract(month from first_day) <> 1
    or extract(day from first_day) <> 1
    or last_day <> cast('{{ as_of_year() + 15 }}-12-31' as date)
