{#- After a build of the hot side on the embedded server, which is nobody else's: the tenants' roles, as `vend roles` makes
    them on any other server when somebody asks for it. `vend build` sets VEND_REHEARSAL there. -#}
{% macro roles_of_rehearsal() %}
    {%- if execute and target.type == 'postgres' and flags.WHICH in ('build', 'run') and env_var('VEND_REHEARSAL', '') -%}
        {% do create_roles() %}
    {%- endif -%}
{% endmacro %}
