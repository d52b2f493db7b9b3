{#- When a subscription ceased to be in force, or null: paid access lasts to the period's end when that was
    asked for; Stripe's dunning does not end one; none ends before it was created. Written once for both sides; design
    ruling "Subscription life". -#}
{% macro subscription_ended_at() -%}
    case
        when canceled_at is null and status = 'canceled' then {{ greatest_known('updated_at', 'created_at') }}
        when canceled_at is null then null
        when cancel_at_period_end and current_period_end > canceled_at then {{ greatest_known('current_period_end', 'created_at') }}
        else {{ greatest_known('canceled_at', 'created_at') }}
    end
{%- endmacro %}
