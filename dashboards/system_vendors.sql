-- One row per vendor and endpoint.
SELECT vendor, endpoint, sum(calls) AS calls, CAST(sum(unavailable + unknown) AS double precision) / nullif(sum(calls), 0) AS failure_share,
       sum(rejected) AS rejected, sum(not_sent) AS not_sent, max(latency_p95_ms) AS latency_ms, max(quota_share) AS most_of_quota,
       sum(vendor_cost_microusd) AS cost_microusd
FROM marts.mart_vendor_health
WHERE occurred_on BETWEEN :since AND :until
GROUP BY vendor, endpoint
ORDER BY sum(calls) DESC, vendor, endpoint
