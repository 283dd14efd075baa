"""When the factory looks for dangers in itself (UTC); not while all is paused."""

from leadfactory_assets.security import security_review
from schedules.pausing import at

security_weekly = at("0 8 * * 0", security_review, name="security_weekly")
