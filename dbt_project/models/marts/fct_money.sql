-- One row per movement of money on our account at Stripe, by the day on which it moved: sales above zero, what goes back below.
select
    entries.campaign as campaign_id,
    entries.cohort_on,
    entries.posting_id,
    entries.purchase_id,
    entries.kind,
    entries.currency,
    purchases.state in (
        'paid', 'partially_refunded', 'refunded', 'disputed', 'dispute_won', 'dispute_lost'
    ) as is_sale,
    sum(entries.amount_cents)::bigint as amount_cents,
    max(entries.occurred_at) as occurred_at,
    max(entries.occurred_at)::date as occurred_on
from {{ ref('stg_money_entries') }} as entries
left join {{ ref('stg_purchases') }} as purchases using (campaign, cohort_on, purchase_id)
where entries.account = 'stripe'
group by all
