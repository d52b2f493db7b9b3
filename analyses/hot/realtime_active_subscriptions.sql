-- Get current active subscriptions
SELECT * FROM mv_active_subscriptions
WHERE garage_id = '{{ var("garage_id") }}';
