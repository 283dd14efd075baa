-- Read-outs of experiments: one row per version, day and arm; the last day of a version is what it says now.
select
    readouts.experiment,
    readouts.version,
    readouts.read_on,
    readouts.arm,
    readouts.exposed,
    readouts.events,
    readouts.rate,
    readouts.rate_low,
    readouts.rate_high,
    readouts.ratio,
    readouts.ratio_low,
    readouts.ratio_high,
    readouts.log_e,
    readouts.srm_log_e,
    readouts.decision,
    readouts.winner,
    readouts.sentence,
    experiments.state,
    readouts.read_on = max(readouts.read_on) over (
        partition by readouts.experiment, readouts.version
    ) as is_newest
from {{ ref('stg_experiment_readouts') }} as readouts
left join {{ ref('stg_experiments') }} as experiments using (experiment, version)
