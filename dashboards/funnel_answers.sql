-- What people did, by week: days are too few to see a change.
SELECT CAST(date_trunc('week', occurred_on) AS date) AS day, sum(clicked) AS clicked, sum(replied) AS replied,
       sum(unsubscribed) AS unsubscribed, sum(purchased) AS purchased
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
GROUP BY 1
ORDER BY 1
