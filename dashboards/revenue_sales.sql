-- The newest sales.
SELECT CAST(paid_at AS date) AS paid_on, campaign_id || '|' || cohort_on AS campaign_day, state, paid_cents, refunded_cents + disputed_cents AS gone_back_cents
FROM marts.fct_purchases
WHERE is_sale AND occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
ORDER BY paid_at DESC
LIMIT 20
