{#- Values as SQL literals that every engine reads alike. Text: without backslashes, which Snowflake takes for escapes,
    and no longer than 1,000 characters. -#}
{% macro ops_text(value) -%}
    {%- if value is none -%}{{ return('null') }}{%- endif -%}
    {{- return("'" ~ (value | string)[:1000].replace('\\', '/').replace("'", "''") ~ "'") -}}
{%- endmacro %}

{% macro ops_number(value) -%}
    {{- return('null' if value is none or value is string and not value.lstrip('-').isdigit() else value | string) -}}
{%- endmacro %}

{#- An instant as a naive timestamp, UTC. -#}
{% macro ops_moment(value) -%}
    {%- if value is none -%}{{ return('null') }}{%- endif -%}
    {%- set utc = value.astimezone(modules.pytz.utc) if value.tzinfo else value -%}
    {{- return("cast('" ~ utc.strftime('%Y-%m-%d %H:%M:%S.%f') ~ "' as " ~ type_naive_timestamp() ~ ")") -}}
{%- endmacro %}
