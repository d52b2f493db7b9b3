-- An attempt in another currency than its garage's: it counts as an attempt, and its amount nowhere.
{{ config(severity='warn') }}

select
    attempts.payment_id,
    attempts.garage_id,
    attempts.status,
    attempts.gross_amount,
    attempts.currency,
    garages.currency as garage_currency
from {{ ref('fact_payment_attempts') }} as attempts
inner join {{ ref('dim_garages') }} as garages on attempts.garage_id = garages.garage_id
where attempts.currency <> garages.currency
