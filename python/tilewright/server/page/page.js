// The page at "/": it enlarges pictures by the WebSocket API, as every other client does.

"use strict";

const element = (id) => document.getElementById(id);
const pictures = new Map(); // items of the list, by the taskUUID of their task
const waiting = []; // pictures that were chosen and not sent yet
let networks = [];
let connection = null; // a promise of an open WebSocket

async function start() {
  const response = await fetch("page.json");
  networks = (await response.json()).networks;
  element("network").replaceChildren(...networks.map(({ name }) => new Option(name)));
  showNetwork();
}

function showNetwork() {
  const network = networks.find(({ name }) => name === element("network").value);
  const before = element("factor").value;
  element("summary").textContent = `${network.summary}; licence ${network.licence || "unknown"}`;
  element("factor").replaceChildren(...network.scales.map((scale) => new Option(`${scale} times`, scale)));
  element("factor").value = network.scales.includes(Number(before)) ? before : Math.max(...network.scales);
}

function choose(files) {
  const chosen = [...files].filter((file) => file.type.startsWith("image/"));
  fail(chosen.length < files.length ? "Some files are not pictures; they are left out." : "");
  const items = chosen.map((file) => {
    const item = element("picture").content.cloneNode(true).firstElementChild;
    item.querySelector("h2").textContent = file.name || "pasted picture";
    item.querySelector(".state").textContent = "chosen";
    waiting.push({ file, item });
    return item;
  });
  element("pictures").prepend(...items);
  element("start").disabled = waiting.length === 0;
}

async function enlarge() {
  fail("");
  element("start").disabled = true;
  let socket;
  try {
    socket = await connected();
  } catch (error) {
    fail(error.message);
    element("start").disabled = false;
    return;
  }
  for (const picture of waiting.splice(0)) {
    const taskUUID = uuid();
    pictures.set(taskUUID, { ...picture, began: performance.now() });
    picture.item.querySelector(".state").textContent = "waiting for its turn, or being enlarged …";
    const format = element("format").value;
    socket.send(JSON.stringify([{
      taskType: "imageUpscale",
      taskUUID,
      inputImage: await dataUri(picture.file),
      upscaleFactor: Number(element("factor").value),
      model: element("network").value,
      outputFormat: format,
      ...(format === "PNG" ? {} : { outputQuality: Number(element("quality").value) }),
    }]));
  }
  showCount();
}

function connected() {
  connection ??= new Promise((resolve, reject) => {
    const socket = new WebSocket(new URL("v1", location.href).href.replace(/^http/, "ws"));
    socket.onopen = () => socket.send(JSON.stringify([{ taskType: "authentication", apiKey: element("key").value }]));
    socket.onmessage = ({ data }) => {
      for (const item of JSON.parse(data).data) {
        if (item.taskType === "authentication") resolve(socket);
        else finish(item);
      }
      for (const error of JSON.parse(data).errors ?? []) {
        if (error.taskType === "authentication") {
          element("key-field").hidden = false;
          element("key").focus();
          connection = null;
          socket.close();
          reject(new Error("This server needs an API key. Enter it, and press Enlarge again."));
        } else failPicture(error);
      }
    };
    socket.onclose = () => {
      connection = null;
      reject(new Error("The server does not answer. Is it still running?"));
      for (const taskUUID of [...pictures.keys()]) {
        failPicture({ taskUUID, message: "The connection to the server was lost. Choose the picture again." });
      }
    };
  });
  return connection;
}

function finish({ taskUUID, imageURL }) {
  const picture = pictures.get(taskUUID);
  if (picture === undefined) return;
  pictures.delete(taskUUID);
  const seconds = (performance.now() - picture.began) / 1000;
  const path = `images/${imageURL.split("/").pop()}`; // this server's own address, whatever its public one is
  const item = picture.item;
  const [after, before] = [item.querySelector(".after"), item.querySelector(".before")];
  after.onload = () => {
    item.querySelector(".state").textContent =
      `${after.naturalWidth} × ${after.naturalHeight} pixels, in ${seconds.toFixed(1)} s`;
  };
  after.src = path;
  after.alt = `${item.querySelector("h2").textContent}, enlarged`;
  before.src = URL.createObjectURL(picture.file);
  const slider = item.querySelector("input[type=range]");
  slider.oninput = () => {
    before.style.clipPath = `inset(0 ${100 - slider.value}% 0 0)`;
    item.querySelector(".pair").style.setProperty("--split", `${slider.value}%`);
  };
  slider.oninput();
  const zoom = item.querySelector(".zoom");
  zoom.onclick = () => {
    const isLarge = zoom.getAttribute("aria-pressed") !== "true";
    zoom.setAttribute("aria-pressed", isLarge);
    item.querySelector(".pair").style.width = isLarge ? `${after.naturalWidth / devicePixelRatio}px` : "";
  };
  const download = item.querySelector(".download");
  download.href = path;
  download.download = `${item.querySelector("h2").textContent.replace(/\.[^.]*$/, "")}-large.${path.split(".").pop()}`;
  item.querySelector("figure").hidden = false;
  showCount();
}

function failPicture({ taskUUID, message }) {
  const picture = pictures.get(taskUUID);
  if (picture === undefined) {
    fail(message);
    return;
  }
  pictures.delete(taskUUID);
  picture.item.querySelector(".state").textContent = `not enlarged: ${message}`;
  fail(message);
  showCount();
}

function showCount() {
  element("status").textContent = pictures.size === 0 ? "" : `${pictures.size} under way`;
}

function fail(message) {
  element("error").textContent = message;
}

function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

// crypto.randomUUID exists on encrypted pages and on this machine only.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const digits = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

element("network").onchange = showNetwork;
element("files").onchange = ({ target }) => {
  choose(target.files);
  target.value = ""; // so that the same file can be chosen again
};
element("options").onsubmit = (event) => {
  event.preventDefault();
  enlarge();
};
document.onpaste = ({ clipboardData }) => choose(clipboardData.files);
document.ondragover = (event) => {
  event.preventDefault();
  element("drop").classList.add("over");
};
document.ondragleave = () => element("drop").classList.remove("over");
document.ondrop = (event) => {
  event.preventDefault();
  element("drop").classList.remove("over");
  choose(event.dataTransfer.files);
};
start().catch(() => fail("The server does not answer. Is it still running?"));
