-- What happened in the chosen days, over the chosen campaigns.
SELECT sum(sourced) AS sourced, sum(qualified) AS qualified, sum(sent) AS sent, sum(delivered) AS delivered,
       sum(clicked) AS clicked, sum(purchased) AS purchased
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
