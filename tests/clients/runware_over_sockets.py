"""Uses the package ``runware``, unmodified, against a server: ADDRESS KEY PICTURE. Prints one line of JSON."""

from __future__ import annotations

import asyncio
import base64
import json
import sys
from pathlib import Path

from runware import IImageUpscale, Runware, RunwareAPIError


async def main(address, key, picture):
    data = base64.b64encode(Path(picture).read_bytes()).decode()
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
    for name, form in {
        "uploaded": uploaded.imageUUID,
        "from base64": data,
        "from data URI": f"data:image/png;base64,{data}",
    }.items():
        [image] = await client.imageUpscale(IImageUpscale(inputImage=form, upscaleFactor=2, outputFormat="PNG"))
        outcomes[name] = {"url": image.imageURL}
    accepted = await client.imageUpscale(
        IImageUpscale(inputImage=picture, upscaleFactor=2, outputFormat="PNG", deliveryMethod="async")
    )
    [image] = await client.getResponse(accepted.taskUUID)
    outcomes["async"] = {"accepted": type(accepted).__name__, "url": image.imageURL}
    for fault in ({"upscaleFactor": 9}, {"inputImage": "nope.png"}, {"outputFormat": "TIFF"}, {"model": "none"}):
        try:
            await client.imageUpscale(IImageUpscale(**{"inputImage": picture, "upscaleFactor": 2, **fault}))
        except RunwareAPIError as error:
            outcomes[f"fault {next(iter(fault))}"] = error.code
    await client.disconnect()
    print(json.dumps(outcomes))


asyncio.run(main(*sys.argv[1:]))
