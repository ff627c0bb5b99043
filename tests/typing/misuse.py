"""Code of a caller. Type checkers must report exactly the lines that are marked as errors."""

from pathlib import Path

import numpy as np
from PIL import Image

from tilewright import (
    Upscaler,
    UpscaleTask,
    compare,
    new_task,
    raise_for_errors,
    run,
    upload,
    upscale,
    upscale_array,
    upscale_file,
)

task: UpscaleTask = {
    "taskType": "imageUpscale",
    "taskUUID": "19abad0d-6ec5-40a6-b7af-203775fa5b7f",
    "inputImage": Path("photo.jpg"),
    "upscaleFactor": 2,
    "outputFormat": "PNG",
}
response = upscale(task)
raise_for_errors(response)
result = response["data"][0]
print(result["imageURL"], result.get("cost"), upload(Path("photo.jpg"))["data"][0]["imageUUID"])
for error in response.get("errors", []):
    print(error["code"], error["message"])
print(run([task, {"taskType": "getResponse", "taskUUID": task["taskUUID"]}])["data"][0].get("status"))
new_task(Path("photo.jpg"), 2, taskUUID=task["taskUUID"], ttl=60)

misspelt: UpscaleTask = {
    "taskType": "imageUpscale",
    "taskUUID": "19abad0d-6ec5-40a6-b7af-203775fa5b7f",
    "inputImage": Path("photo.jpg"),
    "upscaleFactor": 2,
    "outputFormt": "PNG",  # error
}
new_task(Path("photo.jpg"), 2, outputFormt="PNG")  # error
new_task(Path("photo.jpg"), 2, outputFormat="TIFF")  # error
print(result["imageUrl"])  # error
with Upscaler(device="cpu", precision="fp32", tile=128) as upscaler:
    larger = upscaler.upscale_array(np.zeros((8, 8, 3), np.uint8), 2)
    print(larger.shape)
    print(upscaler.upscale_image(Image.new("L", (8, 8)), 2).size, upscaler.upscale_image("a.png", 2))  # error
    upscaler.upscale_array(Image.new("L", (8, 8)), 2)  # error
    upscaler.upscale_file("photo.jpg", Path("large.png"), size=(20, 20), quality=90)
    upscaler.upscale_file("photo.jpg", "large.png", 2, qualty=90)  # error
    upscaler.upscale_array(np.zeros((8, 8, 3), np.uint8), size=(20, 20), fit="within")  # error
with Upscaler(device="gpu") as upscaler:  # error
    print(upscaler.device)
print(upscale_array(np.zeros((8, 8), np.float32), 2, fit="exact").dtype, compare("photo.jpg", Path("large.png")))
upscale_file("photo.jpg", "large.png", 2, compression="best")  # error
