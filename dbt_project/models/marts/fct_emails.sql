-- One row per letter: what was planned, what became of it, and what the recipient did. The words are those of
-- leadfactory/d10_analytics/responses.py; a test holds that both agree.
with asked as (
    select
        campaign,
        cohort_on,
        send_id,
        min(happened_at) filter (where {{ is_stop() }}) as stopped_at,
        min(happened_at) filter (where action = 'replied') as replied_at
    from {{ ref('stg_audit_log') }}
    group by all
),

bought as (
    select
        campaign,
        cohort_on,
        send_id,
        min(paid_at) as purchased_at
    from {{ ref('stg_purchases') }}
    where {{ is_sale() }}
    group by all
)

select
    sends.campaign as campaign_id,
    sends.cohort_on,
    sends.send_id,
    sends.business_id,
    sends.step,
    sends.draft_id,
    sends.state,
    sends.reason,
    sends.sender_domain,
    coalesce(sends.mail_provider, contacts.mail_domain) as recipient_domain,
    contacts.contact_email_kind as recipient_kind,
    drafts.wording,
    drafts.template_version,
    drafts.prompt_version,
    drafts.price_cents,
    drafts.currency,
    sends.timezone,
    sends.planned_at,
    sends.due_at,
    sends.expires_at,
    case when sends.state = 'accepted' then coalesce(sends.claimed_at, sends.settled_at) end as sent_at,
    outcomes.delivery,
    case
        when outcomes.delivery = 'delivered'
            then coalesce(outcomes.delivered_at, outcomes.opened_at, outcomes.clicked_at, sends.claimed_at, sends.settled_at)
    end as delivered_at,
    case
        when outcomes.delivery = 'bounced' then coalesce(outcomes.bounced_at, sends.settled_at, sends.claimed_at)
    end as bounced_at,
    outcomes.dropped_at,
    outcomes.deferred_at,
    outcomes.opened_at,
    outcomes.clicked_at,
    outcomes.complained_at,
    least(outcomes.unsubscribed_at, asked.stopped_at) as unsubscribed_at,
    asked.replied_at,
    bought.purchased_at,
    coalesce(outcomes.bot_opens, 0)::bigint as bot_opens,
    coalesce(outcomes.bot_clicks, 0)::bigint as bot_clicks,
    coalesce(outcomes.events, 0)::bigint as events,
    coalesce(sends.claimed_at, sends.settled_at, sends.planned_at)::date as occurred_on
from {{ ref('stg_email_sends') }} as sends
left join {{ ref('stg_enriched_businesses') }} as contacts using (campaign, cohort_on, business_id)
left join {{ ref('stg_email_drafts') }} as drafts using (campaign, cohort_on, draft_id)
left join {{ ref('stg_send_outcomes') }} as outcomes using (campaign, cohort_on, send_id)
left join asked using (campaign, cohort_on, send_id)
left join bought using (campaign, cohort_on, send_id)
