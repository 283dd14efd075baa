-- What vendors cost, by day.
SELECT occurred_on AS day, vendor AS series, CAST(sum(vendor_cost_microusd) AS double precision) / 1000000 AS value
FROM marts.mart_vendor_health
WHERE occurred_on BETWEEN :since AND :until
GROUP BY occurred_on, vendor
HAVING sum(vendor_cost_microusd) > 0
ORDER BY occurred_on, vendor
