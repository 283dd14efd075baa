-- Where letters go, and how they fare there.
SELECT recipient_domain, sum(sent) AS letters, CAST(sum(delivered) AS double precision) / nullif(sum(sent), 0) AS delivery_share,
       sum(bounced) AS bounced, sum(complained) AS complained, CAST(sum(clicked) AS double precision) / nullif(sum(delivered), 0) AS click_share
FROM marts.mart_email_health
WHERE occurred_on BETWEEN :since AND :until
GROUP BY recipient_domain
ORDER BY sum(sent) DESC, recipient_domain
LIMIT 12
