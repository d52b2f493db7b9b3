{#- Which keys of a summary may have changed, as a query. It reads two relations: `noted`, what was noted of changed
    rows (garage_id, day in UTC, first_at: the earliest date among them, id), and `clock`, from where to where as_of moved
    (earlier, later). Where a summary adds, `anew` says which keys are to be counted from the beginning all the same. -#}
{% macro hot_summary_keys(summary) -%}
    {{ return(context['hot_summary_keys__' ~ summary]()) }}
{%- endmacro %}

{#- Payments that the clock passed; offset 0: garage by garage through the index, however many Postgres expects. -#}
{% macro hot_passed_payments() -%}
    select passed.*
    from public.garages
    cross join clock
    cross join lateral (
        select
            payments.garage_id,
            payments.payment_date,
            payments.subscription_id
        from public.payments
        where payments.garage_id = garages.id
            and payments.payment_date >= clock.earlier and payments.payment_date < clock.later
        offset 0
    ) as passed
{%- endmacro %}

{#- A day of UTC is part of one or two local days; those outside of the window have no rows, and a day at the end of time
    cannot be counted with. Payments come into force as the clock passes them, and days leave the window. Nothing that was
    counted has changed in a garage's day whose notes begin at `earlier` or later: what the clock passed is added to it. -#}
{% macro hot_summary_keys__sum_daily_payments() -%}
    {%- set counted -%}
        from noted
        cross join clock
        where noted.day between {{ hot_first_day() }} - 2 and {{ hot_today() }} + 2
            and coalesce(noted.first_at < clock.earlier, true)
    {%- endset -%}
    select
        noted.garage_id,
        cast({{ to_reporting_time('cast(noted.day as timestamp)') }} as date) as day,
        true as anew
    {{ counted }}
    union all
    select
        noted.garage_id,
        cast({{ to_reporting_time("(noted.day + interval '1 day' - interval '1 microsecond')") }} as date),
        true
    {{ counted }}
    union all
    select
        garage_id,
        cast({{ to_reporting_time('payment_date') }} as date),
        false
    from ({{ hot_passed_payments() }}) as passed
    union all
    select
        garage_id,
        day,
        true
    from hot.sum_daily_payments
    where day < (select {{ hot_first_day() }})
{%- endmacro %}

{#- The clock passes what a subscription has ahead, or enters another month. -#}
{% macro hot_summary_keys__sum_garage_subscriptions() -%}
    select garage_id from noted
    union all
    select sum_garage_subscriptions.garage_id
    from hot.sum_garage_subscriptions
    cross join clock
    where sum_garage_subscriptions.next_change_at < clock.later
        or date_trunc('month', {{ to_reporting_time('clock.earlier') }})
        <> date_trunc('month', {{ to_reporting_time('clock.later') }})
{%- endmacro %}

{#- Noted are subscriptions, and users whose name or address changed. -#}
{% macro hot_summary_keys__sum_failed_attempts() -%}
    select id as subscription_id from noted
    union all
    select subscription_id
    from hot.sum_failed_attempts
    where user_id in (select id from noted)
    union all
    select subscription_id from ({{ hot_passed_payments() }}) as passed
{%- endmacro %}

{#- The clock passes an exit. -#}
{% macro hot_summary_keys__sum_stays() -%}
    select id as parking_id from noted
    union all
    select sum_stays.parking_id
    from hot.sum_stays
    inner join clock on clock.later > sum_stays.exited_at
{%- endmacro %}
