-- Revenue and vendor cost so far, from the first chosen day on.
SELECT occurred_on AS day, CAST(sum(sum(revenue_cents)) OVER (ORDER BY occurred_on) AS double precision) / 100 AS revenue,
       CAST(sum(sum(vendor_cost_microusd)) OVER (ORDER BY occurred_on) AS double precision) / 1000000 AS cost
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
GROUP BY occurred_on
ORDER BY occurred_on
