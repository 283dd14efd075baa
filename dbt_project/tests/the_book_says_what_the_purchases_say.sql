-- Each sale's movements of money add up to what its purchase says was paid, went back and is kept.
with moved as (
    select
        purchase_id,
        sum(amount_cents) filter (where kind = 'sale') as paid_cents,
        -sum(amount_cents) filter (where kind = 'refund') as refunded_cents,
        -sum(amount_cents) filter (where kind = 'dispute') as disputed_cents
    from {{ ref('fct_money') }}
    group by all
)

select purchases.purchase_id
from {{ ref('fct_purchases') }} as purchases
left join moved using (purchase_id)
where
    purchases.is_sale
    and (
        purchases.paid_cents <> coalesce(moved.paid_cents, 0)
        or purchases.refunded_cents <> coalesce(moved.refunded_cents, 0)
        or purchases.disputed_cents <> coalesce(moved.disputed_cents, 0)
    )
