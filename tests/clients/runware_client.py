"""Calls the package ``runware``, in its own environment."""

from __future__ import annotations

from dataclasses import asdict

import websockets
from hints import misfits
from pipe import MemorySocket, serve
from runware import IImageUpscale, Runware, RunwareAPIError


async def connect(*_, **__):
    return MemorySocket()


websockets.connect = connect  # the client has no parameter for it


async def perform(call, **arguments):
    client = Runware(api_key="none")
    try:
        match call:
            case "imageUpscale":
                found = await client.imageUpscale(IImageUpscale(**arguments))
            case "uploadImage":
                found = await client.uploadImage(**arguments)
            case "getResponse":
                found = await client.getResponse(**arguments)
    except RunwareAPIError as error:
        return {"raised": {"kind": "RunwareAPIError", "code": error.code, "data": error.error_data}}
    finally:
        await client.disconnect()
    return {"returned": [described(item) for item in found] if isinstance(found, list) else described(found)}


def described(item):
    fields = asdict(item)
    return {"kind": type(item).__name__, "fields": fields, "misfits": misfits(fields, type(item))}


serve(perform)
