-- Calls that left the house, by day and vendor.
SELECT occurred_on AS day, vendor AS series, sum(calls) AS value
FROM marts.mart_vendor_health
WHERE occurred_on BETWEEN :since AND :until
GROUP BY occurred_on, vendor
ORDER BY occurred_on, vendor
