-- Of all who were written to: who had opened or clicked so many days after their first letter.
WITH cohorts AS (
    SELECT DISTINCT campaign_id, cohort_on, mailed
    FROM marts.mart_cohort_conversion
    WHERE cohort_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
)
SELECT days.n AS days, CAST(sum(so_far.opened) AS double precision) / sum(cohorts.mailed) AS opened,
       CAST(sum(so_far.clicked) AS double precision) / sum(cohorts.mailed) AS clicked
FROM generate_series(0, 21) AS days (n)
CROSS JOIN cohorts
CROSS JOIN LATERAL (
    SELECT c.opened, c.clicked
    FROM marts.mart_cohort_conversion AS c
    WHERE c.campaign_id = cohorts.campaign_id AND c.cohort_on = cohorts.cohort_on AND c.days_since_send <= days.n
    ORDER BY c.days_since_send DESC
    LIMIT 1
) AS so_far
GROUP BY days.n
ORDER BY days.n
