// The page at "/": pictures are chosen, sent, and shown beside their results.

import { Estimates } from "./estimates.js";
import { Options } from "./options.js";
import { Picture } from "./picture.js";
import { KeyNeeded, Service } from "./service.js";
import { about, count, dataUri, sentence, uuid } from "./text.js";

const MOST_RUNNING = 3; // as many as the server has in memory at a time
const OTHER_FIELDS = 2000; // bytes of a task besides its picture, with room to spare
const MEGABYTE = 1e6;
const PAUSE = 200; // milliseconds without a change after which seconds are asked for

const element = (id) => document.getElementById(id);
const key = () => element("key").value;
const pictures = []; // newest first, as in the list
const queue = []; // those that are sent when others are finished
const running = new Map(); // by taskUUID
const seconds = new Map(); // of chosen pictures, as far as they are known
const options = new Options(showPlans);
const estimates = new Estimates(key);
let largestFrame = Infinity;
let plans = 0; // how often options or pictures have changed
let pause;

const service = new Service(
  {
    sending: (taskUUID, share) => running.get(taskUUID)?.showSending(share),
    accepted: (taskUUID) => running.get(taskUUID)?.showWaiting(),
    progressed: (item) => running.get(item.taskUUID)?.showProgress(item),
    finished,
    failed,
    disconnected() {
      complain("The connection to the server was lost. It is being opened again.");
      for (const picture of running.values()) picture.showDisconnected();
    },
    reconnected() {
      complain("");
      for (const picture of running.values()) picture.showWaiting();
    },
  },
  key,
);

async function start() {
  let facts;
  try {
    const response = await fetch("page.json");
    facts = await response.json();
  } catch {
    complain("The server does not answer. Is it still running? Load this page again when it is.");
    return;
  }
  options.networks = facts.networks;
  largestFrame = facts.largestFrame;
  element("key-field").hidden = !facts.needsKey;
  showPlans();
}

function choose(files) {
  const chosen = [...files].filter(isPicture);
  const others = files.length - chosen.length;
  complain(others ? `${count(others, "file")} left out, because only pictures can be enlarged.` : "");
  const added = chosen.map((file) => new Picture(file, { remove, retry }));
  pictures.unshift(...added);
  element("pictures").prepend(...added.map(({ item }) => item));
  for (const picture of added) {
    if (!isTooLarge(picture)) picture.measure().then(showPlans);
  }
  showPlans();
}

function isPicture({ type, name }) {
  return type.startsWith("image/") || /\.(avif|heic|heif|tiff?)$/i.test(name);
}

// Files are sent as base64 text. A frame that is too large would end the connection.
function isTooLarge(picture) {
  const most = Math.floor((largestFrame - OTHER_FIELDS) / 4) * 3;
  if (picture.file.size <= most) return false;
  const [has, takes] = [picture.file.size, most].map((bytes) => (bytes / MEGABYTE).toPrecision(3));
  picture.fail(`The file has ${has} MB. This server takes up to ${takes} MB.`, { canBeRepeated: false });
  return true;
}

function remove(picture) {
  const next = picture.item.nextElementSibling ?? picture.item.previousElementSibling;
  pictures.splice(pictures.indexOf(picture), 1);
  picture.item.remove();
  (next?.querySelector("button:not([hidden])") ?? element("files")).focus(); // the keyboard would start at the top
  showPlans();
}

function retry(picture) {
  complain("");
  picture.queue(options.fields(picture));
  queue.push(picture);
  showPlans();
  send();
}

function enlarge() {
  complain("");
  for (const picture of pictures) {
    if (picture.state !== "chosen") continue;
    picture.queue(options.fields(picture));
    queue.push(picture);
  }
  showPlans();
  send();
}

async function send() {
  while (queue.length > 0 && running.size < MOST_RUNNING) {
    const picture = queue.shift();
    const taskUUID = uuid();
    running.set(taskUUID, picture);
    picture.showSending(0);
    try {
      await service.run(taskUUID, async () => ({
        taskType: "imageUpscale",
        taskUUID,
        inputImage: await dataUri(picture.file),
        ...picture.task,
      }));
    } catch (error) {
      running.delete(taskUUID);
      for (const each of [picture, ...queue.splice(0)]) each.choose();
      refuse(error);
    }
  }
}

function refuse(error) {
  complain(error.message);
  if (error instanceof KeyNeeded) {
    element("key-field").hidden = false;
    element("key").focus();
  }
  showPlans();
}

async function finished({ taskUUID, imageURL }) {
  const picture = running.get(taskUUID);
  running.delete(taskUUID);
  send();
  // This server's own address, whatever its public one is.
  await picture.finish(`images/${imageURL.split("/").pop()}`);
  announce(`${picture.name} is finished`);
}

function failed({ taskUUID, message }) {
  const picture = running.get(taskUUID);
  if (picture === undefined) {
    complain(sentence(message));
    return;
  }
  running.delete(taskUUID);
  picture.fail(message);
  announce(`${picture.name}: ${message}`);
  if (running.size === 0 && queue.length === 0) complain("");
  send();
}

// Shows what comes out of the chosen pictures, and asks for their seconds.
function showPlans() {
  plans++;
  document.body.classList.toggle("empty", pictures.length === 0);
  const chosen = pictures.filter(({ state }) => state === "chosen");
  element("start").disabled = chosen.length === 0;
  element("start").textContent = chosen.length > 1 ? `Enlarge ${count(chosen.length, "picture")}` : "Enlarge";
  if (options.model === "") return;
  for (const picture of [...chosen, ...pictures.filter(({ state }) => state === "failed")]) {
    picture.showSizes(options.result(picture));
  }
  seconds.clear();
  showTotal(chosen);
  clearTimeout(pause);
  pause = setTimeout(() => askForSeconds(chosen, plans), PAUSE);
}

async function askForSeconds(chosen, plan) {
  const isWanted = () => plan === plans;
  for (const picture of chosen) {
    const { width, height } = picture;
    if (width === null) continue;
    const query = { model: options.model, factor: options.factor(picture), width, height };
    const found = await estimates.seconds(query, isWanted);
    if (!isWanted()) return;
    picture.showSeconds(found);
    if (found !== null) seconds.set(picture, found);
    showTotal(chosen);
  }
}

function showTotal(chosen) {
  const total = chosen.reduce((sum, picture) => sum + (seconds.get(picture) ?? NaN), 0);
  element("total").textContent = chosen.length > 1 && total > 0 ? `All together ${about(total)}` : "";
}

function announce(text) {
  const left = running.size + queue.length;
  element("status").textContent = left > 0 ? `${text}; ${count(left, "picture")} under way` : text;
}

function complain(message) {
  element("error").textContent = message;
}

element("files").onchange = ({ target }) => {
  choose(target.files);
  target.value = ""; // so that the same file can be chosen again
};
element("key").onchange = showPlans; // seconds need the key too
element("options").onsubmit = (event) => {
  event.preventDefault();
  enlarge();
};
document.onpaste = ({ clipboardData }) => {
  if (clipboardData.files.length > 0) choose(clipboardData.files);
};
document.ondragover = (event) => {
  event.preventDefault();
  document.body.classList.add("over");
};
document.ondragleave = ({ relatedTarget }) => {
  if (relatedTarget === null) document.body.classList.remove("over");
};
document.ondrop = (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files.length > 0) choose(event.dataTransfer.files);
};
start();
