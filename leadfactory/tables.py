"""Every table of the system of record, for migrations and for tests; importing this fills ``database.metadata``."""

from leadfactory import api_keys, audit_log, auth_failures, campaign_days, fence, pauses, reloading
from leadfactory.backup import tables as backup
from leadfactory.d00_gateway import tables as d00
from leadfactory.d01_targeting import tables as d01
from leadfactory.d02_sourcing import tables as d02
from leadfactory.d03_assessment import tables as d03
from leadfactory.d04_enrichment import tables as d04
from leadfactory.d05_scoring import tables as d05
from leadfactory.d06_reports import tables as d06
from leadfactory.d07_storefront import tables as d07
from leadfactory.d08_personalization import tables as d08
from leadfactory.d09_delivery import tables as d09
from leadfactory.d10_analytics import tables as d10
from leadfactory.d11_experiments import tables as d11
from leadfactory.database import metadata
from leadfactory.erasure import tables as erasure
from leadfactory.inbox import tables as inbox
from leadfactory.monitoring import tables as monitoring
from leadfactory.quality import tables as quality

__all__ = [
    "api_keys",
    "audit_log",
    "auth_failures",
    "backup",
    "campaign_days",
    "d00",
    "d01",
    "d02",
    "d03",
    "d04",
    "d05",
    "d06",
    "d07",
    "d08",
    "d09",
    "d10",
    "d11",
    "erasure",
    "fence",
    "inbox",
    "metadata",
    "monitoring",
    "pauses",
    "quality",
    "reloading",
]
