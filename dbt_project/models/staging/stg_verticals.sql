select
    vertical,
    ticket,
    urgency,
    maturity,
    yelp_categories,
    season_months
from {{ source('lake', 'verticals') }}
