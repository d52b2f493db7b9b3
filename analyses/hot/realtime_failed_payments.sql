-- Get failed payments needing follow-up
SELECT * FROM mv_failed_payments
WHERE garage_id = '{{ var("garage_id") }}'
ORDER BY days_past_due DESC;
