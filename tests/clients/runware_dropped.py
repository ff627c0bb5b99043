"""One call of the package ``runware``, whose connection is cut meanwhile: ADDRESS KEY PICTURE sync|async."""

from __future__ import annotations

import asyncio
import json
import sys

from runware import IImageUpscale, Runware


async def main(address, key, picture, delivery):
    client = Runware(api_key=key, url=address)
    await client.connect()
    found = await client.imageUpscale(IImageUpscale(inputImage=picture, upscaleFactor=2, deliveryMethod=delivery))
    [image] = found if delivery == "sync" else await client.getResponse(found.taskUUID)
    await client.disconnect()
    print(json.dumps({"url": image.imageURL}))


asyncio.run(main(*sys.argv[1:]))
