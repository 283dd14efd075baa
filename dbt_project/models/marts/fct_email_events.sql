-- One row per mail event that carries a send id of ours. counts: whether a person did it, as far as can be told.
select
    events.campaign as campaign_id,
    events.cohort_on,
    events.event_id,
    events.send_id,
    events.business_id,
    sends.step,
    sends.sender_domain,
    events.kind,
    events.bounce_type,
    events.bounce_classification,
    events.machine,
    events.bot_reason,
    not events.machine and events.bot_reason is null as counts,
    events.occurred_at,
    events.occurred_at::date as occurred_on,
    events.received_at
from {{ ref('stg_email_events') }} as events
left join {{ ref('stg_email_sends') }} as sends using (campaign, cohort_on, send_id)
