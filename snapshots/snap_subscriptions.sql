-- Grain: subscription and stretch of time with one status and amount, as far back as this has been run. The source
-- overwrites both. What was deleted there keeps its last version open.
{% snapshot snap_subscriptions %}
{{ config(
    unique_key='subscription_id',
    strategy='check',
    check_cols=['status', 'monthly_amount'],
    updated_at='changed_at',
    post_hook="{{ remember_seen(
        ref('stg_subscriptions'), source('raw', 'subscriptions'), 'subscription_id', ['status', 'monthly_amount']
    ) }}",
) }}

with subscriptions as (

    select * from {{ ref('stg_subscriptions') }}
    where {{ is_no_known_state(
        ref('stg_subscriptions'), source('raw', 'subscriptions'), 'subscription_id', ['status', 'monthly_amount']
    ) }}

),

known as (

    {{ known_states('subscription_id') }}

),

states as (

    select
        subscriptions.*,
        known.known_at,
        known.seen_before
    from subscriptions
    left join known on subscriptions.subscription_id = known.subscription_id

)

select
    subscription_id,
    status,
    monthly_amount,
    {{ state_changed_at() }} as changed_at,
    updated_at as seen_at
from states
{% endsnapshot %}
