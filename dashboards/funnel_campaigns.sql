-- One row per campaign.
SELECT campaign_id AS campaign, sum(sourced) AS sourced, sum(qualified) AS qualified, sum(sent) AS letters,
       CAST(sum(clicked) AS double precision) / nullif(sum(delivered), 0) AS click_share,
       sum(purchased) AS sales, sum(revenue_cents) AS revenue_cents, sum(vendor_cost_microusd) AS cost_microusd
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
GROUP BY campaign_id
ORDER BY sum(sent) DESC, campaign_id
