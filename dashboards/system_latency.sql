-- The slowest endpoint's 95th percentile, by day and vendor.
SELECT occurred_on AS day, vendor AS series, max(latency_p95_ms) AS value
FROM marts.mart_vendor_health
WHERE occurred_on BETWEEN :since AND :until AND latency_p95_ms IS NOT NULL
GROUP BY occurred_on, vendor
ORDER BY occurred_on, vendor
