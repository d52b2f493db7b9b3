-- Get today's revenue for a specific garage
SELECT
    garage_name,
    gross_revenue,
    total_stripe_fees,
    total_platform_fees,
    garage_profit
FROM mv_daily_revenue
WHERE garage_id = '{{ var("garage_id") }}'
  AND payment_date = CURRENT_DATE;
