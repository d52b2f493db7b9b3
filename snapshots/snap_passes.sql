-- Grain: pass and stretch of time with one price, as far back as this has been run. The source overwrites it; the changes it
-- records itself are in stg_pass_price_history. What was deleted there keeps its last version open.
{% snapshot snap_passes %}
{{ config(
    unique_key='pass_id',
    strategy='check',
    check_cols=['current_price', 'stripe_price_id', 'is_active'],
    updated_at='changed_at',
    post_hook="{{ remember_seen(
        ref('stg_passes'), source('raw', 'passes'), 'pass_id', ['current_price', 'stripe_price_id', 'is_active']
    ) }}",
) }}

with passes as (

    select * from {{ ref('stg_passes') }}
    where {{ is_no_known_state(
        ref('stg_passes'), source('raw', 'passes'), 'pass_id', ['current_price', 'stripe_price_id', 'is_active']
    ) }}

),

known as (

    {{ known_states('pass_id') }}

),

states as (

    select
        passes.*,
        known.known_at,
        known.seen_before
    from passes
    left join known on passes.pass_id = known.pass_id

)

select
    pass_id,
    current_price,
    stripe_price_id,
    is_active,
    {{ state_changed_at() }} as changed_at,
    updated_at as seen_at
from states
{% endsnapshot %}
