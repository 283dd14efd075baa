"""The edge over the tests' database, as tests/edge has it, and keys to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from leadfactory import api_keys
from tests.cli.conftest import cli_env, cli_home, command, here  # noqa: F401
from tests.edge.conftest import World, config, signers, world  # noqa: F401
from tests.leads import TUESDAY


@pytest.fixture
def key(world: World) -> Callable[..., str]:  # noqa: F811
    """Makes an API key with these scopes."""

    def make(*scopes: str, name: str = "ana", days: int = 90) -> str:
        with world.db.begin() as tx:
            return api_keys.create(tx, name, scopes, TUESDAY + dt.timedelta(days=days), TUESDAY)

    return make


@pytest.fixture
def browser(world: World) -> TestClient:  # noqa: F811
    """A client with a cookie jar of its own that follows nothing."""
    return TestClient(world.client.app, follow_redirects=False, headers={"accept": "text/html"})
