-- Money of the chosen days.
SELECT sum(purchased) AS sales, sum(paid_cents) AS paid_cents, sum(refunded_cents) AS refunded_cents, sum(disputed_cents) AS disputed_cents,
       sum(revenue_cents) AS revenue_cents, sum(vendor_cost_microusd) AS cost_microusd
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
