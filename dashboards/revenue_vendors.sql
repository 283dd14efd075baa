-- What each vendor costs per lead, over all days.
SELECT cut_value AS label, CAST(vendor_cost_microusd AS double precision) / nullif(leads, 0) / 1000000 AS value
FROM marts.mart_unit_economics
WHERE cut = 'vendor' AND vendor_cost_microusd > 0
ORDER BY 2 DESC
