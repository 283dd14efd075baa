"""`python -m edge`: the one process that faces the world, on uvicorn. Its log names no path, for paths hold tokens."""

from __future__ import annotations

import argparse

import uvicorn

from edge.app import create_app
from leadfactory.d00_gateway.redaction import guard_loggers
from leadfactory.settings import settings

PORT = 8000


def main() -> None:
    """Serves until it is told to stop; requests under way are finished."""
    parser = argparse.ArgumentParser(prog="edge", description="Webhooks, unsubscribe and health.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    parser.add_argument("--port", type=int, default=PORT)
    chosen = parser.parse_args()
    guard_loggers()
    uvicorn.run(
        create_app(settings()), host=chosen.host, port=chosen.port, access_log=False, server_header=False, proxy_headers=False,
        log_level="warning", timeout_graceful_shutdown=15, limit_concurrency=200,
    )  # fmt: skip


if __name__ == "__main__":
    main()
