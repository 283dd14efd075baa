-- Complaints per delivered letter over the thirty days up to each day, by sender.
WITH days AS (
    SELECT sender_domain, occurred_on, sum(delivered) AS delivered, sum(complained) AS complained
    FROM marts.mart_email_health
    WHERE occurred_on BETWEEN CAST(:since AS date) - 29 AND :until
    GROUP BY sender_domain, occurred_on
),
months AS (
    SELECT sender_domain, occurred_on, sum(delivered) OVER month AS delivered, sum(complained) OVER month AS complained
    FROM days
    WINDOW month AS (PARTITION BY sender_domain ORDER BY occurred_on RANGE BETWEEN INTERVAL '29 days' PRECEDING AND CURRENT ROW)
)
SELECT occurred_on AS day, sender_domain AS series, CAST(complained AS double precision) / delivered AS value
FROM months
WHERE delivered > 0 AND occurred_on >= :since
ORDER BY occurred_on, sender_domain
