-- Get current occupancy
SELECT
    garage_name,
    current_occupancy,
    capacity,
    occupancy_rate,
    available_spots
FROM mv_current_occupancy
WHERE garage_id = '{{ var("garage_id") }}';
