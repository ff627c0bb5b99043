"""Uses the package ``runware-sdk``, unmodified, against a server: WS HTTP KEY PICTURE. Prints one line of JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

from runware import Runware
from runware.errors import RunwareError


async def main(ws, http, key, picture):
    data = "data:image/png;base64," + base64.b64encode(Path(picture).read_bytes()).decode()
    outcomes = {}
    for transport in ("websocket", "rest"):
        client = Runware(api_key=key, transport=transport, ws_base_url=ws, http_base_url=http)
        task = {"taskType": "imageUpscale", "inputImage": data}
        for factor in (2, 3, 4):
            for delivery in ("sync", "async"):
                [item] = await client.run({**task, "upscaleFactor": factor, "deliveryMethod": delivery})
                outcomes[f"{transport} {factor} {delivery}"] = {"url": item["imageURL"]}
        [item] = await client.run({**task, "upscaleFactor": 2, "outputType": "base64Data", "outputFormat": "PNG"})
        outcomes[f"{transport} base64Data"] = item["imageBase64Data"]
        for fault in ({"upscaleFactor": 9}, {"inputImage": "nope.png"}, {"outputFormat": "TIFF"}, {"model": "none"}):
            try:
                await client.run({**task, "upscaleFactor": 2, "deliveryMethod": "sync", **fault})
            except RunwareError as error:  # its code is a category of the package
                outcomes[f"{transport} fault {next(iter(fault))}"] = [error.code, error.parameter]
        if hasattr(client, "disconnect"):
            await client.disconnect()
    print(json.dumps(outcomes))


asyncio.run(main(*sys.argv[1:]))
