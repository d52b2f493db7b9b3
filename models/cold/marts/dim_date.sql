-- Grain: day, whole years from calendar_start to the fifteenth after as_of's.
with days as (

    {{ days_between(var('calendar_start'), (as_of_year() + 16) ~ '-01-01') }}

),

holidays as (

    select * from {{ ref('federal_holidays') }}

),

parts as (

    select
        cast(date_day as date) as date_day,
        cast(extract(year from date_day) as integer) as year,
        cast(extract(quarter from date_day) as integer) as quarter,
        cast(extract(month from date_day) as integer) as month,
        cast(extract(day from date_day) as integer) as day,
        {{ iso_weekday('date_day') }} % 7 as day_of_week,
        {{ iso_week('date_day') }} as week_of_year
    from days

)

select
    parts.date_day,
    parts.year,
    parts.quarter,
    parts.month,
    substr('JanFebMarAprMayJunJulAugSepOctNovDec', parts.month * 3 - 2, 3) as month_name,
    parts.day,
    substr('SunMonTueWedThuFriSat', parts.day_of_week * 3 + 1, 3) as day_name,
    parts.day_of_week,
    parts.week_of_year,
    {{ month_start('parts.date_day') }} as first_day_of_month,
    cast({{ dbt.last_day('parts.date_day', 'month') }} as date) as last_day_of_month,
    parts.day_of_week in (0, 6) as is_weekend,
    holidays.holiday_name is not null as is_holiday,
    holidays.holiday_name
from parts
left join holidays
    on parts.month = holidays.month
        and parts.day between holidays.first_day and holidays.last_day
        and (holidays.day_of_week is null or parts.day_of_week = holidays.day_of_week)
        and parts.year >= holidays.first_year
