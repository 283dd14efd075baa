-- A qualified lead without a row in the registry would be mailed without a memory.
select scores.business_id
from {{ ref('stg_lead_scores') }} as scores
left join {{ ref('dim_businesses') }} as businesses using (business_id)
where scores.qualified and businesses.business_id is null
