// One call of the package @runware/sdk-js, whose connection is cut meanwhile: MODULES ADDRESS KEY PICTURE sync|async.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, url, apiKey, picture, deliveryMethod] = process.argv.slice(2);
const { RunwareServer } = createRequire(`${modules}/`)("@runware/sdk-js");

const inputImage = `data:image/png;base64,${readFileSync(picture).toString("base64")}`;
// The client waits this long, by default 60 seconds, before it sends the task again.
const client = await RunwareServer.initialize({ apiKey, url, timeoutDuration: 4000 });
const item = await client.upscale({ inputImage, upscaleFactor: 2, deliveryMethod });
console.log(JSON.stringify({ url: item.imageURL }));
process.exit(0);
