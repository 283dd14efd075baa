-- One row per day, sender domain and recipient domain on which anything happened: counts of that day, shares over a week and a month,
-- and how the sender stood at the end of the day against the rules that stop it (config/delivery.yaml, auto_pause).
with letters as (
    select
        coalesce(nullif(sender_domain, ''), 'unknown') as sender_domain,
        coalesce(nullif(recipient_domain, ''), 'unknown') as recipient_domain,
        send_id,
        sent_at,
        delivered_at,
        opened_at,
        clicked_at,
        bounced_at,
        complained_at,
        unsubscribed_at
    from {{ ref('fct_emails') }}
),

{% set steps = ['sent', 'delivered', 'opened', 'clicked', 'bounced', 'complained', 'unsubscribed'] -%}
happened as (
    {%- for step in steps %}
    select
        sender_domain,
        recipient_domain,
        {{ step }}_at::date as occurred_on,
        '{{ step }}' as step
    from letters
    where {{ step }}_at is not null
    {{- '\n    union all' if not loop.last }}
    {%- endfor %}
),

days as (
    select
        occurred_on,
        sender_domain,
        recipient_domain,
        {{- count_of_each(steps) }}
    from happened
    group by all
),

rules as (
    select
        max(value) filter (where rule = 'complaints') as complaints,
        max(value) filter (where rule = 'complaints_of_last') as complaints_of_last,
        max(value) filter (where rule = 'bounces') as bounces,
        max(value) filter (where rule = 'bounces_of_last') as bounces_of_last,
        max(value) filter (where rule = 'bounce_share') as bounce_share
    from {{ ref('stg_delivery_rules') }}
),

sender_days as (
    select
        occurred_on,
        sender_domain,
        sum(sum(sent)) over (partition by sender_domain order by occurred_on) as sent,
        sum(sum(delivered)) over (partition by sender_domain order by occurred_on) as delivered
    from days
    group by occurred_on, sender_domain
),

numbered_sent as (
    select
        sender_domain,
        sent_at,
        bounced_at,
        row_number() over (partition by sender_domain order by sent_at, send_id) as number
    from letters
    where sent_at is not null
),

numbered_delivered as (
    select
        sender_domain,
        delivered_at,
        complained_at,
        row_number() over (partition by sender_domain order by delivered_at, send_id) as number
    from letters
    where delivered_at is not null
),

last_sent as (
    select
        sender_days.occurred_on,
        sender_days.sender_domain,
        count(*) as letters,
        count(*) filter (where numbered_sent.bounced_at::date <= sender_days.occurred_on) as bounced
    from sender_days
    cross join rules
    inner join numbered_sent
        on
            sender_days.sender_domain = numbered_sent.sender_domain
            and sender_days.sent >= numbered_sent.number
            and sender_days.sent - rules.bounces_of_last < numbered_sent.number
    group by all
),

last_delivered as (
    select
        sender_days.occurred_on,
        sender_days.sender_domain,
        count(*) as letters,
        count(*) filter (where numbered_delivered.complained_at::date <= sender_days.occurred_on) as complained
    from sender_days
    cross join rules
    inner join numbered_delivered
        on
            sender_days.sender_domain = numbered_delivered.sender_domain
            and sender_days.delivered >= numbered_delivered.number
            and sender_days.delivered - rules.complaints_of_last < numbered_delivered.number
    group by all
),

rolling as (
    select
        *,
        {{- each_rolling(['sent', 'delivered', 'bounced', 'complained']) }}
    from days
)

select
    rolling.occurred_on,
    rolling.sender_domain,
    rolling.recipient_domain,
    {%- for step in steps %}
    rolling.{{ step }}::bigint as {{ step }},
    {%- endfor %}
    {%- for days in [7, 30] %}
    {%- for step in ['sent', 'delivered', 'bounced', 'complained'] %}
    rolling.{{ step }}_{{ days }}d,
    {%- endfor %}
    {{ share('rolling.delivered_' ~ days ~ 'd', 'rolling.sent_' ~ days ~ 'd') }} as delivery_share_{{ days }}d,
    {{ share('rolling.bounced_' ~ days ~ 'd', 'rolling.sent_' ~ days ~ 'd') }} as bounce_share_{{ days }}d,
    {{ share('rolling.complained_' ~ days ~ 'd', 'rolling.delivered_' ~ days ~ 'd') }} as complaint_share_{{ days }}d,
    {%- endfor %}
    coalesce(last_sent.letters, 0)::bigint as sender_last_sent,
    coalesce(last_sent.bounced, 0)::bigint as sender_last_bounced,
    coalesce(last_delivered.letters, 0)::bigint as sender_last_delivered,
    coalesce(last_delivered.complained, 0)::bigint as sender_last_complained,
    coalesce(
        last_sent.bounced >= rules.bounces and last_sent.bounced >= rules.bounce_share * last_sent.letters, false
    ) as breaks_bounce_rule,
    coalesce(last_delivered.complained >= rules.complaints, false) as breaks_complaint_rule
from rolling
cross join rules
left join last_sent using (occurred_on, sender_domain)
left join last_delivered using (occurred_on, sender_domain)
