-- Grain: garage and user who ever had a begun subscription there. Their cohort is the month of the first, and the only one.
with customer_changes as (

    select * from {{ ref('int_customer_changes') }}

)

select
    garage_id,
    user_id,
    cohort_start,
    {{ key_number(['garage_id', 'user_id']) }} as customer_number,
    {{ key_number(['garage_id', 'cohort_start']) }} as cohort_number
from customer_changes
where month = cohort_start
