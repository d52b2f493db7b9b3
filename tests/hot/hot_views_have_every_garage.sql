-- A garage without payments, subscriptions or vehicles has its row all the same. A warning only: one may have joined
-- since the refresh.
{{ config(severity='warn') }}

with garages as (

    select id as garage_id from {{ source('operational', 'garages') }}

)

{% for view in ['mv_daily_revenue', 'mv_active_subscriptions', 'mv_current_month_metrics', 'mv_current_occupancy'] -%}
select
    '{{ view }}' as view_name,
    garages.garage_id
from garages
left join {{ ref(view) }} as rows_of_view on garages.garage_id = rows_of_view.garage_id
where rows_of_view.garage_id is null
{% if not loop.last %}union all{% endif %}
{% endfor %}
