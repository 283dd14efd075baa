-- Bounces per letter over the seven days up to each day, by sender.
SELECT occurred_on AS day, sender_domain AS series, CAST(sum(bounced_7d) AS double precision) / nullif(sum(sent_7d), 0) AS value
FROM marts.mart_email_health
WHERE occurred_on BETWEEN :since AND :until
GROUP BY occurred_on, sender_domain
HAVING sum(sent_7d) > 0
ORDER BY occurred_on, sender_domain
