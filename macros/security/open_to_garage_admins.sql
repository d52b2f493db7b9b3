{#- After a build of REPORTS: a secure view may be read by GARAGE_ADMIN, so VEND_ADMIN too; nothing else there may, nor
    anything of a developer's. A hook and no `grants`, which would take back what the analysts' future grants give. -#}
{% macro open_to_garage_admins(relation, secure) -%}
    {%- if target.type == 'snowflake' and secure and target.schema | upper == 'PRODUCTION' -%}
        grant select on view {{ relation }} to role garage_admin
    {%- endif -%}
{%- endmacro %}
