"""FileUploader → files."""

from __future__ import annotations

from penstock.dialects.airbyte import template
from penstock.dialects.airbyte.context import Context
from penstock.dialects.airbyte.jobs import call_of, path_of
from penstock.dialects.airbyte.manifest import Component
from penstock.plan.files import Files
from penstock.plan.records import Keys


def files(ctx: Context, stream: Component) -> Files | None:
    """The file that each record of a stream leads to, or None."""
    component = stream.child("file_uploader")
    if component is None:
        return None
    uploader = ctx.check(component)
    if "file_extractor" in uploader:
        ctx.gap(
            uploader, "a file is the whole answer, as in the reference engine", "file_extractor"
        )
    fetch = call_of(ctx, uploader, "requester")
    if fetch is None:
        return None
    ctx.info("files", "files are fetched into the folder that --files names", uploader.node)
    return Files(
        fetch=fetch,
        target=path_of(ctx, uploader, "download_target_extractor") or Keys(),
        name=ctx.expression(uploader, "filename_extractor", template.CONFIG | {"record"}),
    )
