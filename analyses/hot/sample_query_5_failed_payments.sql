SELECT
    first_name,
    last_name,
    email,
    monthly_amount,
    days_past_due,
    current_period_end
FROM mv_failed_payments
WHERE garage_id = '{{ var("garage_id") }}'
  AND days_past_due > 7  -- Over 1 week past due
ORDER BY days_past_due DESC;
