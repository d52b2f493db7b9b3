-- Today's revenue (Postgres MV)
SELECT
    garage_name,
    gross_revenue,
    total_stripe_fees,
    total_platform_fees,
    garage_profit,
    payment_count
FROM mv_daily_revenue
WHERE garage_id = '{{ var("garage_id") }}'
  AND payment_date = CURRENT_DATE;
