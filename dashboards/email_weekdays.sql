-- Letters by day of the week.
SELECT to_char(occurred_on, 'Dy') AS label, sum(sent) AS value
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
GROUP BY extract(isodow FROM occurred_on), 1
ORDER BY extract(isodow FROM occurred_on)
