-- The newest campaign-days and what has become of them so far.
SELECT campaign_id || '|' || cohort_on AS campaign_day, state, sourced, audited, qualified, drafted, sent AS letters, clicked, purchased AS sales
FROM marts.mart_cohort_funnel
WHERE cohort_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
ORDER BY cohort_on DESC, campaign_id
LIMIT 15
