"""Enriching over the real clients, gateway and sandbox: every business ends in a row that agrees with what truly is."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from leadfactory.campaign_day import CampaignDay
from leadfactory.clock import Clock
from leadfactory.d00_gateway.gateway import Gateway
from leadfactory.d00_gateway.places import PlacesClient
from leadfactory.d00_gateway.website.client import WebsiteClient
from leadfactory.d00_gateway.yelp import YelpClient
from leadfactory.d01_targeting import campaigns, planning
from leadfactory.d02_sourcing.sourcing import source
from leadfactory.d02_sourcing.tables import sourced_businesses, unique_businesses
from leadfactory.d02_sourcing.uniqueness import unify
from leadfactory.d04_enrichment.enriching import enrich
from leadfactory.d04_enrichment.tables import enriched_businesses
from leadfactory.database import Database
from leadfactory.settings import Settings
from leadfactory.stage_report import StageReport
from sandbox import process
from sandbox.world.seeded import SeededWorld
from tests.unit.d04_enrichment.conftest import NOW

CLOCK = Clock(start=NOW)
UNIT = CampaignDay("eaters", NOW.date())
