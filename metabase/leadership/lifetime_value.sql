select
    first_name,
    last_name,
    email,
    currency,
    lifetime_value,
    tenure_days,
    total_garages,
    customer_status
from reports.rpt_customer_360
order by lifetime_value desc nulls last, user_id, currency
limit 50
