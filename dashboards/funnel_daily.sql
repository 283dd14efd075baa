-- Leads and letters by day.
SELECT occurred_on AS day, sum(sourced) AS sourced, sum(drafted) AS drafted, sum(sent) AS sent
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
GROUP BY occurred_on
ORDER BY occurred_on
