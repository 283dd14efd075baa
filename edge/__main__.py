"""`python -m edge`: the one process that faces the world, on uvicorn. Its log names no path, for paths hold tokens."""

from __future__ import annotations

import argparse
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import uvicorn

from leadfactory import logs
from leadfactory.settings import settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

PORT = 8000
WARM_UP_AFTER_S = 3.0
FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # prometheus_client looks for it when it is imported: after main() has set it


def main() -> None:
    """Serves until it is told to stop; requests under way are finished."""
    parser = argparse.ArgumentParser(prog="edge", description="Webhooks, storefront, unsubscribe, health and metrics.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 in a container")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--workers", type=int, default=1, help="processes that share the port")
    chosen = parser.parse_args()
    counted = settings().home / "edge" / str(chosen.port)  # anew with each start, as process memory would be
    shutil.rmtree(counted, ignore_errors=True)
    counted.mkdir(parents=True)
    os.environ[FOLDER] = str(counted)
    uvicorn.run(
        "edge.__main__:app", factory=True, workers=chosen.workers, host=chosen.host, port=chosen.port, access_log=False,
        server_header=False, proxy_headers=False, log_config=None, timeout_graceful_shutdown=15, limit_concurrency=1000,
    )  # fmt: skip


def app() -> Starlette:
    """The application of one worker."""
    from edge.app import create_app

    logs.configure("edge", settings())
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    return create_app(settings(), prepares=True)


def _warm_up() -> None:
    """The first buyer of a worker does not wait for what the first print reads; it is read once the worker serves."""
    time.sleep(WARM_UP_AFTER_S)
    from leadfactory.d06_reports import rendering

    rendering.warm_up()


if __name__ == "__main__":
    main()
