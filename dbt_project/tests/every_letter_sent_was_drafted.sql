-- What was handed to the mailer is a drafted letter of that very business and step.
select sends.send_id
from {{ ref('stg_email_sends') }} as sends
left join {{ ref('stg_email_drafts') }} as drafts
    on
        sends.draft_id = drafts.draft_id
        and sends.business_id = drafts.business_id
        and sends.step = drafts.step
        and drafts.status = 'drafted'
where sends.state in ('claimed', 'accepted', 'unknown') and drafts.draft_id is null
