-- One row per listing that a campaign-day sourced, before duplicates are merged; business_id where it stands for a business.
select
    listings.campaign as campaign_id,
    listings.cohort_on,
    listings.sourced_id,
    uniques.business_id,
    listings.target_id,
    targets.kind as target_kind,
    targets.place as target_place,
    listings.source,
    listings.rank,
    listings.review_band,
    listings.excluded_reason,
    listings.fetched_at as sourced_at,
    greatest(listings.fetched_at::date, listings.cohort_on) as occurred_on
from {{ ref('stg_sourced_businesses') }} as listings
left join {{ ref('stg_unique_businesses') }} as uniques using (campaign, cohort_on, sourced_id)
left join {{ ref('stg_campaign_targets') }} as targets using (campaign, cohort_on, target_id)
