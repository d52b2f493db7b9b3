-- Last 30 days trend (Postgres MV)
SELECT
    payment_date,
    gross_revenue,
    garage_profit
FROM mv_daily_revenue
WHERE garage_id = '{{ var("garage_id") }}'
  AND payment_date >= CURRENT_DATE - INTERVAL '30 days'
ORDER BY payment_date DESC;
