{#- A view of schema reporting: the only thing a reader of the hot side sees. Replaced in place, grants kept; config
    `grants` is applied; always a barrier, and open to the tenants' roles for reading where these exist. -#}
{% materialization secure_view, adapter='postgres' %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        select hot.put_view('{{ this.schema }}', '{{ this.identifier }}', $vend_view${{ sql }}$vend_view$)
    {%- endcall %}
    {% if config.get('grants') -%}
        {% call statement('grants') -%}
            select hot.set_grants(
                '{{ this.schema }}.{{ this.identifier }}',
                $vend_json${{ tojson(config.get('grants')) }}$vend_json$,
                '{vend_app,vend_bi}'
            )
        {%- endcall %}
    {%- endif %}
    {% call statement('open_to_tenants') -%}
        {{ open_view(this) }}
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}
