{#- One number for a group of rows, by the values of the columns: the same for the same rows in whatever order, and another
    one, as good as surely, where a row is more, less or different. Each engine has its own numbers, so they are compared with
    those of the same warehouse only. -#}
{% macro fingerprint(columns) -%}
    cast(sum(hash({{ columns | join(', ') }})) as decimal(38, 0))
{%- endmacro %}

{#- What is part of every fingerprint of a model beside the rows: the zone of its days and months, and its SQL, so that what an
    analyst changed is computed anew for all keys. As a literal. -#}
{% macro made_by() -%}
    '{{ reporting_timezone() }} {{ local_md5(model.get('raw_code') or '') }}'
{%- endmacro %}
