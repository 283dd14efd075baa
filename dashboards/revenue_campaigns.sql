-- Unit economics by campaign, over all days.
SELECT cut_value AS campaign, leads, letters, sales, cost_per_lead_microusd, cost_per_letter_microusd, cost_per_sale_microusd,
       revenue_per_letter_cents, margin_cents, payback_days
FROM marts.mart_unit_economics
WHERE cut = 'campaign' AND cut_value = ANY(CAST(:campaigns AS text[]))
ORDER BY margin_cents DESC, cut_value
