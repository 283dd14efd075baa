-- The funnel of the cohorts sourced in the chosen days, whenever the later steps happened.
WITH whole AS (
    SELECT sum(sourced) AS sourced, sum(unique_businesses) AS unique_businesses, sum(enriched) AS enriched, sum(audited) AS audited,
           sum(qualified) AS qualified, sum(drafted) AS drafted
    FROM marts.mart_cohort_funnel
    WHERE cohort_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
),
mailed AS (
    SELECT count(*) FILTER (WHERE first_sent_at IS NOT NULL) AS mailed, count(*) FILTER (WHERE opened_at IS NOT NULL) AS opened,
           count(*) FILTER (WHERE clicked_at IS NOT NULL) AS clicked, count(*) FILTER (WHERE purchased_at IS NOT NULL) AS purchased
    FROM marts.fct_leads
    WHERE cohort_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
)
SELECT step.label, step.value
FROM whole CROSS JOIN mailed CROSS JOIN LATERAL (VALUES
    (1, 'Sourced', sourced), (2, 'Distinct businesses', unique_businesses), (3, 'Website read', enriched), (4, 'Measured', audited),
    (5, 'Worth a letter', qualified), (6, 'Letter drafted', drafted), (7, 'Written to', mailed), (8, 'Opened', opened),
    (9, 'Clicked', clicked), (10, 'Bought', purchased)
) AS step (place, label, value)
WHERE step.value IS NOT NULL
ORDER BY step.place
