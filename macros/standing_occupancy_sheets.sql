{#- The count sheet that holds for each garage and day: the one created last, of equals the one with the greater id. -#}
{% macro standing_occupancy_sheets() -%}
    select *
    from {{ ref('stg_daily_occupancy') }}
    qualify row_number() over (
        partition by garage_id, occupancy_date
        order by created_at desc nulls last, daily_occupancy_id desc
    ) = 1
{%- endmacro %}
