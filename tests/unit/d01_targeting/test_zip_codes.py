"""The table of ZIP codes says what the package says that it was written from."""

from __future__ import annotations

import gzip

from ci import zip_codes
from leadfactory.d01_targeting import places
from sandbox.world import geography


def test_the_table_of_zip_codes_is_the_packages():
    assert gzip.decompress(zip_codes.TABLE.read_bytes()).decode().splitlines() == zip_codes.lines()


def test_the_factory_and_the_sandbox_read_one_table():
    assert places.TABLE == geography.TABLE == zip_codes.TABLE
