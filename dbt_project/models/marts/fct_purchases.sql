-- One row per paid session: what was paid, what went back, and what is kept. Cents of its currency.
select
    purchases.campaign as campaign_id,
    purchases.cohort_on,
    purchases.purchase_id,
    purchases.checkout_id,
    purchases.send_id,
    purchases.business_id,
    purchases.state,
    purchases.reason,
    {{ is_sale() }} as is_sale,
    purchases.currency,
    purchases.amount_cents::bigint as paid_cents,
    purchases.tax_cents::bigint as tax_cents,
    purchases.refunded_cents::bigint as refunded_cents,
    purchases.disputed_cents::bigint as disputed_cents,
    (
        case when {{ is_sale() }} then purchases.amount_cents - purchases.refunded_cents - purchases.disputed_cents else 0 end
    )::bigint as revenue_cents,
    purchases.arm,
    purchases.paid_at,
    purchases.refunded_at,
    purchases.disputed_at,
    purchases.last_event_at,
    coalesce(purchases.paid_at, purchases.last_event_at)::date as occurred_on
from {{ ref('stg_purchases') }} as purchases
