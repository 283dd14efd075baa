-- Whether a higher score sells better: clicks per business written to, by tenth of the score.
SELECT ((score_decile - 1) * 10) || ' to ' || (CASE score_decile WHEN 10 THEN 100 ELSE score_decile * 10 - 1 END) AS label, click_share AS value
FROM marts.mart_scoring_calibration
WHERE vertical = 'all' AND mailed > 0
ORDER BY score_decile
