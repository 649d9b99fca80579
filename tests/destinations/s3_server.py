"""An S3 server on this machine, started once by whichever test needs it first."""

from __future__ import annotations

import functools
import logging
import uuid
from collections.abc import Container
from contextlib import suppress

import obstore
from moto.server import ThreadedMotoServer
from obstore.store import S3Store


@functools.cache
def endpoint() -> str:
    """Start the server; give its address."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    return f"http://{host}:{port}"


def environment() -> dict[str, str]:
    """What tells drivers of the server."""
    return {
        "AWS_ENDPOINT_URL": endpoint(),
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


def fresh_bucket() -> str:
    """Make a bucket; give its name."""
    import boto3  # noqa: PLC0415 (the server brings it)

    name = f"test-{uuid.uuid4().hex[:12]}"
    boto3.client(
        "s3",
        endpoint_url=endpoint(),
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    ).create_bucket(Bucket=name)
    return name


def objects(bucket: str, known: Container[str] = ()) -> dict[str, bytes]:
    """Everything in a bucket, but for the names that are known."""
    store = _store(bucket)
    names = [o["path"] for page in obstore.list(store) for o in page]
    found = {}
    for name in names:
        with suppress(FileNotFoundError):  # removed since it was listed
            if name not in known:
                found[name] = bytes(obstore.get(store, name).bytes())
    return found


def _store(bucket: str) -> S3Store:
    settings = environment()
    return S3Store(
        bucket,
        endpoint=settings["AWS_ENDPOINT_URL"],
        access_key_id="key",
        secret_access_key="secret",
        region="us-east-1",
        client_options={"allow_http": True},
    )
