"""The marts' rhythm: once a night, after the lake export."""

from schedules.pausing import at

marts_nightly = at("30 3 * * *", job_name="marts", name="marts_nightly")
