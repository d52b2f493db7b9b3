{#- The rows of a relation that whoever asks may see: all, or those of their garages. Two halves, of which one is not run,
    for then either can use an index; an OR of both could not. The outer select is needed: Postgres takes apart a barrier
    view that is nothing but a UNION ALL, and then lets a reader's function see hidden rows. -#}
{% macro rows_for_reader(relation) %}
    select * from (
        select * from {{ relation }}
        where {{ is_among('garage_id', 'my_garages') }} and not (select authz.sees_all())

        union all

        select * from {{ relation }}
        where (select authz.sees_all())
    ) as rows_for_reader
{% endmacro %}
