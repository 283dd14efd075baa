select
    experiment,
    version,
    state,
    holdout_bp,
    loaded_at
from {{ source('lake', 'experiments') }}
