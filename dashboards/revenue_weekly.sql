-- Paid and given back, by week.
SELECT CAST(date_trunc('week', occurred_on) AS date) AS day, CAST(sum(paid_cents) AS double precision) / 100 AS paid,
       -CAST(sum(refunded_cents + disputed_cents) AS double precision) / 100 AS gone_back
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
GROUP BY 1
ORDER BY 1
