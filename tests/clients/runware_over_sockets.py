"""Uses the package ``runware``, unmodified, against a server: ADDRESS KEY PICTURE. Prints one line of JSON."""

from __future__ import annotations

import asyncio
import json
import sys

from runware import IImageUpscale, Runware, RunwareAPIError


async def main(address, key, picture):
    client = Runware(api_key=key, url=address)
    await client.connect()
    outcomes = {}
    for factor in (2, 3, 4):
        for file_format in ("PNG", "JPG", "WEBP"):
            [image] = await client.imageUpscale(
                IImageUpscale(inputImage=picture, upscaleFactor=factor, outputFormat=file_format, includeCost=True)
            )
            outcomes[f"{factor} {file_format}"] = {"url": image.imageURL, "cost": image.cost}
    for output_type in ("base64Data", "dataURI"):
        [image] = await client.imageUpscale(
            IImageUpscale(inputImage=picture, upscaleFactor=2, outputType=output_type, outputFormat="PNG")
        )
        outcomes[output_type] = image.imageBase64Data or image.imageDataURI
    uploaded = await client.uploadImage(picture)
    [image] = await client.imageUpscale(IImageUpscale(inputImage=uploaded.imageUUID, upscaleFactor=2))
    outcomes["uploaded"] = {"url": image.imageURL}
    for fault in ({"upscaleFactor": 9}, {"inputImage": "nope.png"}, {"outputFormat": "TIFF"}, {"model": "none"}):
        try:
            await client.imageUpscale(IImageUpscale(**{"inputImage": picture, "upscaleFactor": 2, **fault}))
        except RunwareAPIError as error:
            outcomes[f"fault {next(iter(fault))}"] = error.code
    await client.disconnect()
    print(json.dumps(outcomes))


asyncio.run(main(*sys.argv[1:]))
