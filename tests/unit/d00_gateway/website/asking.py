"""Fetching in a test: the page, or the reason for none."""

from __future__ import annotations

import pytest

from leadfactory.d00_gateway.errors import VendorError

HTML = {"content-type": "text/html; charset=utf-8"}
HERE = "198.51.100.7"  # a sandbox address: connections go to the test's server


async def fetch(client, url="http://joes.example/"):
    async with client.gateway.running():
        return await client.fetch(url)


async def refused(client, url="http://joes.example/"):
    with pytest.raises(VendorError) as caught:
        await fetch(client, url)
    return caught.value.reason
