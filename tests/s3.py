"""A server that speaks S3, in this process, and buckets of it. What is tested talks to it by HTTP as to any other."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

ACCOUNT = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """Another client of the server, by which tests see what really lies there; the factory's finds it by its environment."""
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request tells nobody anything
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {**ACCOUNT, "AWS_ENDPOINT_URL": address}.items():
            environment.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()  # an earlier one may know another server
        try:
            yield boto3.client("s3", endpoint_url=address)
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            server.stop()


def new_bucket(s3: Any) -> str:
    """A new bucket of the server, by its name."""
    name = f"tests-{uuid.uuid4().hex[:12]}"
    s3.create_bucket(Bucket=name)
    return name


def objects(s3: Any, bucket: str, under: str = "") -> dict[str, bytes]:
    """Everything that lies in a bucket below a name, by its name."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=under)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return {key.removeprefix(under): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}
