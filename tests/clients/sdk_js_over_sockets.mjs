// Uses the package @runware/sdk-js, unmodified, against a server: MODULES ADDRESS KEY PICTURE. Prints one line of JSON.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, url, apiKey, picture] = process.argv.slice(2);
const { RunwareServer } = createRequire(`${modules}/`)("@runware/sdk-js");

const data = readFileSync(picture).toString("base64");
const inputImage = `data:image/png;base64,${data}`;
const client = await RunwareServer.initialize({ apiKey, url });
const outcomes = {};
for (const upscaleFactor of [2, 3, 4]) {
  for (const outputFormat of ["PNG", "JPG", "WEBP"]) {
    const item = await client.upscale({ inputImage, upscaleFactor, outputFormat });
    outcomes[`${upscaleFactor} ${outputFormat}`] = { url: item.imageURL };
  }
}
for (const outputType of ["base64Data", "dataURI"]) {
  const item = await client.upscale({ inputImage, upscaleFactor: 2, outputType, outputFormat: "PNG" });
  outcomes[outputType] = item.imageBase64Data ?? item.imageDataURI;
}
const uploaded = await client.imageUpload({ image: inputImage });
for (const [name, form] of Object.entries({ uploaded: uploaded.imageUUID, "from base64": data })) {
  const item = await client.upscale({ inputImage: form, upscaleFactor: 2, outputFormat: "PNG" });
  outcomes[name] = { url: item.imageURL };
}
const later = await client.upscale({ inputImage, upscaleFactor: 2, outputFormat: "PNG", deliveryMethod: "async" });
outcomes.async = { url: later.imageURL };
for (const fault of [{ upscaleFactor: 9 }, { inputImage: "nope.png" }, { outputFormat: "TIFF" }, { model: "none" }]) {
  try {
    await client.upscale({ inputImage, upscaleFactor: 2, ...fault });
  } catch (error) {
    outcomes[`fault ${Object.keys(fault)[0]}`] = error.error?.code ?? String(error);
  }
}
console.log(JSON.stringify(outcomes));
process.exit(0);
