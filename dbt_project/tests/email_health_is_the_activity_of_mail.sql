-- Mail by domain and day adds up to the mail of the day.
with domains as (
    select
        occurred_on,
        sum(sent) as sent,
        sum(delivered) as delivered,
        sum(bounced) as bounced,
        sum(complained) as complained
    from {{ ref('mart_email_health') }}
    group by all
)

select activity.occurred_on
from {{ ref('mart_daily_activity') }} as activity
left join domains using (occurred_on)
where
    activity.sent <> coalesce(domains.sent, 0)
    or activity.delivered <> coalesce(domains.delivered, 0)
    or activity.bounced <> coalesce(domains.bounced, 0)
    or activity.complained <> coalesce(domains.complained, 0)
