"""When the factory clears away, cares for its database and looks ahead (UTC); not while all is paused."""

from leadfactory_assets.housekeeping import database_care, housekeeping, monthly_review
from schedules.pausing import at

housekeeping_nightly = at("0 3 * * *", housekeeping, name="housekeeping_nightly")
database_care_weekly = at("0 6 * * 0", database_care, name="database_care_weekly")
review_monthly = at("0 7 1 * *", monthly_review, name="review_monthly")
