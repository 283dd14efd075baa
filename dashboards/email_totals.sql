-- Letters of the chosen days. Shares are of letters sent; clicks and complaints of those delivered.
SELECT sum(sent) AS sent, CAST(sum(delivered) AS double precision) / nullif(sum(sent), 0) AS delivery_share,
       CAST(sum(bounced) AS double precision) / nullif(sum(sent), 0) AS bounce_share,
       CAST(sum(complained) AS double precision) / nullif(sum(delivered), 0) AS complaint_share,
       CAST(sum(opened) AS double precision) / nullif(sum(delivered), 0) AS open_share,
       CAST(sum(clicked) AS double precision) / nullif(sum(delivered), 0) AS click_share
FROM marts.mart_daily_funnel
WHERE occurred_on BETWEEN :since AND :until AND campaign_id = ANY(CAST(:campaigns AS text[]))
