"""One call of the package ``runware-sdk``, whose connection is cut meanwhile.

Arguments: WS HTTP KEY PICTURE websocket|rest sync|async. If the client raises an error, the call is made again.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

from runware import Runware
from runware.errors import RunwareError


async def main(ws, http, key, picture, transport, delivery):
    data = base64.b64encode(Path(picture).read_bytes()).decode()
    task = {"taskType": "imageUpscale", "inputImage": data, "upscaleFactor": 2}
    outcome = {}
    async with Runware(api_key=key, transport=transport, ws_base_url=ws, http_base_url=http) as client:
        try:
            [item] = await client.run({**task, "deliveryMethod": delivery})
        except RunwareError as error:
            outcome["raised"] = error.code
            [item] = await client.run({**task, "deliveryMethod": delivery})
    print(json.dumps({**outcome, "url": item["imageURL"]}))


asyncio.run(main(*sys.argv[1:]))
