{#- The rows of a report for the garages that whoever runs the query may see; the whole text of a view vw_*. -#}
{% macro rows_of_own_garages(report) %}
with report as (

    select * from {{ report }}

),

garage_access as (

    select * from {{ ref('garage_access') }}

)

select report.*
from report
where
    {{ sees_all_garages() }}
    or report.garage_id in (
        select garage_access.garage_id
        from garage_access
        where {{ is_reader('garage_access') }}
    )
{% endmacro %}
