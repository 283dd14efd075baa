-- Calls without a usable answer per call, by day and vendor.
SELECT occurred_on AS day, vendor AS series, CAST(sum(unavailable + unknown) AS double precision) / nullif(sum(calls), 0) AS value
FROM marts.mart_vendor_health
WHERE occurred_on BETWEEN :since AND :until
GROUP BY occurred_on, vendor
HAVING sum(calls) > 0
ORDER BY occurred_on, vendor
