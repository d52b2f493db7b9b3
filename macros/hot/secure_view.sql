{#- A view of schema reporting: the only thing a reader of the hot side sees. Replaced in place, grants kept; always
    a barrier, and open to the tenants' roles for reading where these exist. -#}
{% materialization secure_view, adapter='postgres' %}
    {{ run_hooks(pre_hooks, inside_transaction=False) }}
    {{ run_hooks(pre_hooks, inside_transaction=True) }}
    {% call statement('main') -%}
        select hot.put_view('{{ this.schema }}', '{{ this.identifier }}', $vend_view${{ sql }}$vend_view$)
    {%- endcall %}
    {% call statement('open_to_tenants') -%}
        {{ open_view(this) }}
    {%- endcall %}
    {{ run_hooks(post_hooks, inside_transaction=True) }}
    {{ adapter.commit() }}
    {{ run_hooks(post_hooks, inside_transaction=False) }}
    {{ return({'relations': [this.incorporate(type='view')]}) }}
{% endmaterialization %}
