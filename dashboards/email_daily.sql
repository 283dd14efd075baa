-- Letters by day.
SELECT occurred_on AS day, sum(sent) AS sent, sum(opened) AS opened, sum(clicked) AS clicked
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
GROUP BY occurred_on
ORDER BY occurred_on
