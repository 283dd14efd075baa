-- A business without a row in the registry would be mailed without a memory.
select leads.business_id
from {{ ref('fct_leads') }} as leads
left join {{ ref('dim_businesses') }} as businesses using (business_id)
where businesses.business_id is null
