{# Helper of the tests: the condition that an expression lies between the bounds given, of which there must be
   one; strictly leaves the bounds themselves out. #}
{% macro within_bounds(expression, min_value, max_value, strictly) %}
    {% if min_value is none and max_value is none %}
        {{ exceptions.raise_compiler_error('Give this test a min_value, a max_value, or both.') }}
    {% endif %}
    {% set or_equal = '' if strictly else '=' %}
    {% set sides = [] %}
    {% if min_value is not none %}
        {% do sides.append('%s >%s %s' % (expression, or_equal, min_value)) %}
    {% endif %}
    {% if max_value is not none %}
        {% do sides.append('%s <%s %s' % (expression, or_equal, max_value)) %}
    {% endif %}
    {{ return('(' ~ sides | join(' and ') ~ ')') }}
{% endmacro %}
