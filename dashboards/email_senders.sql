-- How each sender stood on its last day against the rules that stop it.
SELECT DISTINCT ON (sender_domain) sender_domain, occurred_on AS as_of, sender_last_sent AS newest_letters, sender_last_bounced AS of_them_bounced,
       sender_last_delivered AS newest_delivered, sender_last_complained AS of_them_complained,
       CASE WHEN breaks_bounce_rule OR breaks_complaint_rule THEN 'stop' ELSE 'goes on' END AS rule_says
FROM marts.mart_email_health
WHERE occurred_on BETWEEN :since AND :until
ORDER BY sender_domain, occurred_on DESC
