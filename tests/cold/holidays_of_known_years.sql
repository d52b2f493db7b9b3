-- The federal holidays of three years as the Office of Personnel Management lists them, on their own days: one year
-- before Juneteenth was one, and two in which the rules by weekday fall differently.
with known as (

    {% set days = [
        '2020-01-01', '2020-01-20', '2020-02-17', '2020-05-25', '2020-07-04', '2020-09-07', '2020-10-12',
        '2020-11-11', '2020-11-26', '2020-12-25',
        '2025-01-01', '2025-01-20', '2025-02-17', '2025-05-26', '2025-06-19', '2025-07-04', '2025-09-01',
        '2025-10-13', '2025-11-11', '2025-11-27', '2025-12-25',
        '2026-01-01', '2026-01-19', '2026-02-16', '2026-05-25', '2026-06-19', '2026-07-04', '2026-09-07',
        '2026-10-12', '2026-11-11', '2026-11-26', '2026-12-25',
    ] %}
    {% for day in days -%}
    select cast('{{ day }}' as date) as date_day
    {% if not loop.last %}union all{% endif %}
    {% endfor %}

),

calendar as (

    select
        date_day,
        is_holiday
    from {{ ref('dim_date') }}
    where year in (2020, 2025, 2026)

)

select
    calendar.date_day,
    calendar.is_holiday
from calendar
left join known on calendar.date_day = known.date_day
where calendar.is_holiday <> (known.date_day is not null)
