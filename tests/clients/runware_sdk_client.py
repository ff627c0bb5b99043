"""Calls the package ``runware-sdk``, in its own environment."""

from __future__ import annotations

from hints import misfits
from pipe import MemorySession, MemorySocket, serve
from runware import (
    GetResponseResult,
    ImageUploadResult,
    RuntimeDependencies,
    Runware,
    RunwareError,
    UpscaleResult,
)

TYPES = {"run": UpscaleResult, "image_upload": ImageUploadResult, "get_response": GetResponseResult}


async def connect(_url):
    return MemorySocket()


async def perform(call, transport, **params):
    dependencies = RuntimeDependencies(
        session=MemorySession() if transport == "rest" else None,
        ws_connect=connect if transport == "websocket" else None,
    )
    client = Runware(api_key="none", transport=transport, dependencies=dependencies)
    try:
        async with client:
            items = await getattr(client, call)(params)
    except RunwareError as error:
        names = ("code", "message", "parameter", "task_type", "task_uuid", "retryable")
        return {"raised": {"kind": "RunwareError", **{name: getattr(error, name) for name in names}}}
    return {"returned": [{"fields": item, "misfits": misfits(item, TYPES[call])} for item in items]}


serve(perform)
