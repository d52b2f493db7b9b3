-- The architecture's five views as its document has them, to be timed beside ours: schema `theirs`, NULLIF against a
-- capacity of 0, and a unique index on each, without which they cannot be refreshed CONCURRENTLY.
create schema theirs;

CREATE MATERIALIZED VIEW theirs.mv_daily_revenue AS
SELECT
    p.garage_id,
    g.name AS garage_name,
    DATE(p.payment_date) AS payment_date,
    COUNT(p.id) AS payment_count,
    SUM(p.amount) AS gross_revenue,
    SUM(p.stripe_fee) AS total_stripe_fees,
    SUM(p.amount * 0.10) AS total_platform_fees,
    SUM(p.net_amount - (p.amount * 0.10)) AS garage_profit
FROM payments p
JOIN garages g ON p.garage_id = g.id
WHERE p.status = 'succeeded'
  AND p.payment_date >= CURRENT_DATE - INTERVAL '90 days'
GROUP BY p.garage_id, g.name, DATE(p.payment_date)
ORDER BY payment_date DESC, garage_name;
CREATE UNIQUE INDEX ON theirs.mv_daily_revenue (garage_id, payment_date);

CREATE MATERIALIZED VIEW theirs.mv_active_subscriptions AS
SELECT
    s.garage_id,
    g.name AS garage_name,
    COUNT(s.id) AS active_count,
    COUNT(DISTINCT s.user_id) AS unique_customers,
    SUM(s.monthly_amount) AS monthly_recurring_revenue,
    AVG(s.monthly_amount) AS avg_subscription_value,
    COUNT(CASE WHEN s.cancel_at_period_end THEN 1 END) AS pending_cancellations
FROM subscriptions s
JOIN garages g ON s.garage_id = g.id
WHERE s.status = 'active'
GROUP BY s.garage_id, g.name;
CREATE UNIQUE INDEX ON theirs.mv_active_subscriptions (garage_id);

CREATE MATERIALIZED VIEW theirs.mv_current_month_metrics AS
SELECT
    g.id AS garage_id,
    g.name AS garage_name,

    -- Revenue metrics
    COALESCE(SUM(p.amount), 0) AS mtd_revenue,
    COALESCE(COUNT(DISTINCT p.id), 0) AS mtd_payment_count,

    -- Subscription metrics
    (
        SELECT COUNT(*)
        FROM subscriptions s2
        WHERE s2.garage_id = g.id
          AND s2.status = 'active'
    ) AS active_subscriptions,

    (
        SELECT COUNT(*)
        FROM subscriptions s3
        WHERE s3.garage_id = g.id
          AND s3.canceled_at >= DATE_TRUNC('month', CURRENT_DATE)
    ) AS mtd_cancellations,

    -- Churn rate
    CASE
        WHEN (
            SELECT COUNT(*)
            FROM subscriptions s4
            WHERE s4.garage_id = g.id
              AND s4.created_at < DATE_TRUNC('month', CURRENT_DATE)
              AND (s4.canceled_at IS NULL OR s4.canceled_at >= DATE_TRUNC('month', CURRENT_DATE))
        ) > 0
        THEN (
            SELECT COUNT(*)
            FROM subscriptions s5
            WHERE s5.garage_id = g.id
              AND s5.canceled_at >= DATE_TRUNC('month', CURRENT_DATE)
        ) * 100.0 / (
            SELECT COUNT(*)
            FROM subscriptions s6
            WHERE s6.garage_id = g.id
              AND s6.created_at < DATE_TRUNC('month', CURRENT_DATE)
              AND (s6.canceled_at IS NULL OR s6.canceled_at >= DATE_TRUNC('month', CURRENT_DATE))
        )
        ELSE 0
    END AS churn_rate_percent
FROM garages g
LEFT JOIN payments p ON g.id = p.garage_id
    AND p.status = 'succeeded'
    AND p.payment_date >= DATE_TRUNC('month', CURRENT_DATE)
GROUP BY g.id, g.name;
CREATE UNIQUE INDEX ON theirs.mv_current_month_metrics (garage_id);

CREATE MATERIALIZED VIEW theirs.mv_current_occupancy AS
SELECT
    g.id AS garage_id,
    g.name AS garage_name,
    g.capacity,
    COUNT(p.id) AS current_occupancy,
    ROUND((COUNT(p.id)::DECIMAL / NULLIF(g.capacity, 0)) * 100, 2) AS occupancy_rate,
    g.capacity - COUNT(p.id) AS available_spots
FROM garages g
LEFT JOIN parked p ON g.id = p.garage_id
    AND p.exited_at IS NULL  -- Still parked
GROUP BY g.id, g.name, g.capacity;
CREATE UNIQUE INDEX ON theirs.mv_current_occupancy (garage_id);

CREATE MATERIALIZED VIEW theirs.mv_failed_payments AS
SELECT
    s.id AS subscription_id,
    s.stripe_subscription_id,
    s.garage_id,
    g.name AS garage_name,
    s.user_id,
    u.first_name,
    u.last_name,
    u.email,
    s.monthly_amount,
    s.current_period_end,
    CURRENT_DATE - DATE(s.current_period_end) AS days_past_due
FROM subscriptions s
JOIN users u ON s.user_id = u.id
JOIN garages g ON s.garage_id = g.id
WHERE s.status IN ('past_due', 'unpaid')
  AND s.current_period_end >= CURRENT_DATE - INTERVAL '30 days'
ORDER BY days_past_due DESC;
CREATE UNIQUE INDEX ON theirs.mv_failed_payments (subscription_id);
