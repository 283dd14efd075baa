-- A business without a row in the registry would be mailed without a memory.
select uniques.business_id
from {{ ref('stg_unique_businesses') }} as uniques
left join {{ ref('dim_businesses') }} as businesses using (business_id)
where businesses.business_id is null
