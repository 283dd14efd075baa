-- Bounces per letter over the seven days up to each day, by sender.
WITH days AS (
    SELECT sender_domain, occurred_on, sum(sent) AS sent, sum(bounced) AS bounced
    FROM marts.mart_email_health
    WHERE occurred_on BETWEEN CAST(:since AS date) - 6 AND :until
    GROUP BY sender_domain, occurred_on
),
weeks AS (
    SELECT sender_domain, occurred_on, sum(sent) OVER week AS sent, sum(bounced) OVER week AS bounced
    FROM days
    WINDOW week AS (PARTITION BY sender_domain ORDER BY occurred_on RANGE BETWEEN INTERVAL '6 days' PRECEDING AND CURRENT ROW)
)
SELECT occurred_on AS day, sender_domain AS series, CAST(bounced AS double precision) / sent AS value
FROM weeks
WHERE sent > 0 AND occurred_on >= :since
ORDER BY occurred_on, sender_domain
