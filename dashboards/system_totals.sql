-- Vendor calls of the chosen days, over all campaigns.
SELECT sum(calls) AS calls, CAST(sum(unavailable + unknown) AS double precision) / nullif(sum(calls), 0) AS failure_share,
       CAST(sum(retries) AS double precision) / nullif(sum(calls), 0) AS retry_share,
       CAST(sum(cache_hits) AS double precision) / nullif(sum(calls) + sum(cache_hits), 0) AS cache_share,
       sum(vendor_cost_microusd) AS cost_microusd
FROM marts.mart_vendor_health
WHERE occurred_on BETWEEN :since AND :until
