"""Uses the package ``runware-sdk``, unmodified, against a server: WS HTTP KEY PICTURE. Prints one line of JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

from runware import Runware
from runware.errors import RunwareError

FACTORS = (2, 3, 4)


async def outcomes_of(client, picture):
    data = base64.b64encode(Path(picture).read_bytes()).decode()
    task = {"taskType": "imageUpscale", "inputImage": f"data:image/png;base64,{data}", "outputFormat": "PNG"}
    at_once = {**task, "upscaleFactor": 2, "deliveryMethod": "sync"}
    outcomes = {}
    for factor in FACTORS:
        for file_format in ("PNG", "JPG", "WEBP"):
            [item] = await client.run({**at_once, "upscaleFactor": factor, "outputFormat": file_format})
            outcomes[f"{factor} {file_format}"] = {"url": item["imageURL"]}
    for output_type, key in (("base64Data", "imageBase64Data"), ("dataURI", "imageDataURI")):
        [item] = await client.run({**at_once, "outputType": output_type})
        outcomes[output_type] = item[key]
    [uploaded] = await client.image_upload({"image": task["inputImage"]})
    for name, form in (("uploaded", uploaded["imageUUID"]), ("from base64", data)):
        [item] = await client.run({**at_once, "inputImage": form})
        outcomes[name] = {"url": item["imageURL"]}
    # The client's default is `async`. Its first poll comes after a second, so these run at the same time.
    found = await asyncio.gather(*(client.run({**task, "upscaleFactor": factor}) for factor in FACTORS))
    for factor, [item] in zip(FACTORS, found, strict=True):
        outcomes[f"{factor} async"] = {"url": item["imageURL"]}
    for fault in ({"upscaleFactor": 9}, {"inputImage": "nope.png"}, {"outputFormat": "TIFF"}, {"model": "none"}):
        try:
            await client.run({**at_once, **fault})
        except RunwareError as error:  # its code is a category of the package
            outcomes[f"fault {next(iter(fault))}"] = [error.code, error.parameter]
    return outcomes


async def main(ws, http, key, picture):
    outcomes = {}
    for transport in ("websocket", "rest"):
        async with Runware(api_key=key, transport=transport, ws_base_url=ws, http_base_url=http) as client:
            outcomes[transport] = await outcomes_of(client, picture)
    print(json.dumps(outcomes))


asyncio.run(main(*sys.argv[1:]))
