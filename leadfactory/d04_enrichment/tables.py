"""Tables of D4: what the business's own website says about it, and how it was found."""

from __future__ import annotations

import sqlalchemy as sa

from leadfactory.database import Json, Moment, cohort, metadata, one_of

enriched_businesses = sa.Table(
    "enriched_businesses",
    metadata,
    *cohort(),
    sa.Column("business_id", sa.Uuid, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, comment="why there is no site or no answer; NULL when status is ok"),
    sa.Column("retryable", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("place_id", sa.Text, comment="Google's id; may be kept for ever"),
    sa.Column("place_match", sa.Text, nullable=False),
    sa.Column("match_score", sa.Numeric(4, 3), comment="calibrated confidence that the place is the business, 0 to 1"),
    sa.Column("match_evidence", Json, comment="codes of what spoke for and against the place; never Google's words"),
    sa.Column(
        "rejected_candidate",
        Json,
        comment="of an unmatched business: place_id, confidence and evidence of the likeliest",
    ),
    sa.Column("site_url", sa.Text, comment="the final URL that we fetched ourselves"),
    sa.Column("site_host", sa.Text),
    sa.Column("site_domain_hmac", sa.LargeBinary),
    sa.Column("site_source", sa.Text, comment="places, yelp, import: who named the website"),
    sa.Column("own_name", sa.Text, comment="as published on the own site, with own_name_url"),
    sa.Column("own_name_url", sa.Text),
    sa.Column("own_phone", sa.Text, comment="E.164, as published on the own site"),
    sa.Column("own_address", sa.Text),
    sa.Column("own_hours", Json),
    sa.Column("contact_email", sa.Text, comment="as published on the own site"),
    sa.Column("contact_email_url", sa.Text),
    sa.Column("contact_email_how", sa.Text, comment="import, mailto, json_ld, text, decoded"),
    sa.Column("contact_email_hmac", sa.LargeBinary),
    sa.Column("contact_email_kind", sa.Text, comment="role, person, free_mail"),
    sa.Column(
        "contact_email_check",
        sa.Text,
        comment="accepted, weak, unknown, refused: whether its domain takes mail; unknown is asked again",
    ),
    sa.Column("contact_email_check_reason", sa.Text, comment="mx, no_mx_but_address, null_mx, no_such_domain, …"),
    sa.Column("platform", sa.Text),
    sa.Column("site_language", sa.Text, comment="ISO 639-1 code of the page's words; NULL when nothing tells"),
    sa.Column(
        "field_sources", Json, comment="per field: source, url, fetched_at, confidence; of an unknown field its reason"
    ),
    sa.Column("country", sa.Text, comment="ISO 3166-1 alpha-2; NULL when unknown, which is never mailed"),
    sa.Column("state", sa.Text),
    sa.Column("timezone", sa.Text, comment="IANA name, from the target's place"),
    sa.Column(
        "page_facts", Json, comment="what our own parser measured on the pages: see leadfactory.d04_enrichment.page"
    ),
    sa.Column("fetched_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, comment="when the row is worth refreshing"),
    sa.PrimaryKeyConstraint("campaign", "cohort_on", "business_id"),
    one_of("status", "ok", "no_website", "unreachable", "unavailable"),
    one_of("contact_email_kind", "role", "person", "free_mail"),
    one_of("contact_email_check", "accepted", "weak", "unknown", "refused"),
    one_of("place_match", "matched", "no_match", "vetoed", "unavailable", "not_asked"),
    comment="One row per unique business: its own website and what it publishes there. status unavailable is retried.",
)
