-- What the experiments say now.
SELECT experiment || ' v' || version AS experiment, arm, exposed, events, rate, rate_low, rate_high, replace(decision, '_', ' ') AS decision
FROM marts.mart_experiments
WHERE is_newest
ORDER BY experiment, version, arm
