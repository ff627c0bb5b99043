// A picture in the list: its file, its size, and what is shown of it from its choice to its result.

import { Comparison } from "./comparison.js";
import { about, sentence, size, withoutExtension } from "./text.js";

const SETTLED = 1500; // milliseconds of progress from which the rest can be told

export class Picture {
  state; // chosen, queued, running, finished or failed
  width = null; // null if the browser does not know the format
  height = null;
  task = null; // fields of the task that it was last sent with
  #item = document.getElementById("picture").content.cloneNode(true).firstElementChild;
  #find = (selector) => this.#item.querySelector(selector);
  #address;
  #began;
  #firstProgress = null;
  #comparison = new Comparison(this.#find("figure"));

  // `handlers` has remove(picture) and retry(picture).
  constructor(file, handlers) {
    this.file = file;
    this.name = file.name || "pasted picture";
    this.#address = URL.createObjectURL(file);
    this.#find("h3").textContent = this.name;
    this.#find(".remove").ariaLabel = `Remove ${this.name}`;
    this.#find(".retry").ariaLabel = `Try again: ${this.name}`;
    this.#find(".download").ariaLabel = `Download ${this.name}`;
    this.#find(".remove").onclick = () => {
      URL.revokeObjectURL(this.#address);
      handlers.remove(this);
    };
    this.#find(".retry").onclick = () => handlers.retry(this);
    this.choose();
  }

  get item() {
    return this.#item;
  }

  // Finds out the size, as far as the browser knows the format.
  async measure() {
    const image = this.#find(".thumbnail img");
    image.src = this.#address;
    try {
      await image.decode();
    } catch {
      return;
    }
    image.hidden = false;
    [this.width, this.height] = [image.naturalWidth, image.naturalHeight];
  }

  showSizes(text) {
    this.#find(".sizes").textContent = text;
  }

  choose() {
    this.#show("chosen", "Ready", { canBeRemoved: true });
  }

  showSeconds(seconds) {
    this.#say(seconds === null ? "Ready" : `Takes ${about(seconds)}`);
  }

  queue(task) {
    this.task = task;
    this.#began = performance.now();
    this.#firstProgress = null;
    this.#show("queued", "Waits for the pictures before it");
  }

  showSending(share) {
    this.#show("running", share < 1 ? `Is sent: ${Math.floor(100 * share)} %` : "Is sent", { share });
  }

  showWaiting() {
    this.#show("running", "Waits for its turn on the server", { share: null });
  }

  showProgress({ done, total }) {
    const now = performance.now();
    this.#firstProgress ??= { done, now };
    const took = now - this.#firstProgress.now;
    const left = (took * (total - done)) / (done - this.#firstProgress.done) / 1000;
    let text = `${Math.floor((100 * done) / total)} %, ${done} of ${total} parts`;
    if (done === total) text = "The file is written";
    else if (took > SETTLED && left > 0 && left < Infinity) text += `, ${about(left)} left`;
    this.#show("running", text, { share: done / total });
  }

  showDisconnected() {
    this.#show("running", "Waits for the connection", { share: null });
  }

  fail(message, { canBeRepeated = true } = {}) {
    this.#show("failed", sentence(message), { canBeRemoved: true });
    this.#find(".retry").hidden = !canBeRepeated;
  }

  // Shows the result at an address. Returns when it can be seen.
  async finish(address) {
    const seconds = (performance.now() - (this.#firstProgress?.now ?? this.#began)) / 1000;
    const download = this.#find(".download");
    download.href = address;
    download.download = `${withoutExtension(this.name)}-large.${address.split(".").pop()}`;
    const after = new Image();
    after.src = address;
    let text = `Finished in ${seconds.toFixed(1)} s`;
    try {
      await after.decode();
      this.#find("figure").hidden = false;
      this.#comparison.show({ name: this.name, before: this.#address, after });
      const result = size({ width: after.naturalWidth, height: after.naturalHeight });
      this.showSizes(this.width === null ? result : `${size(this)} → ${result}`);
    } catch {
      text += "; the browser cannot show it here";
    }
    this.#show("finished", text, { canBeRemoved: true });
    download.hidden = false;
  }

  #say(text) {
    this.#find(".state").textContent = text;
  }

  // `share` is that of the progress: a number, null if it is unknown, absent if there is none.
  #show(state, text, { canBeRemoved = false, share } = {}) {
    this.state = this.#item.dataset.state = state;
    this.#say(text);
    const progress = this.#find("progress");
    progress.hidden = share === undefined;
    progress.ariaLabel = `Progress of ${this.name}`;
    if (typeof share === "number") progress.value = share;
    else progress.removeAttribute("value");
    this.#find(".remove").hidden = !canBeRemoved;
    this.#find(".retry").hidden = true;
  }
}
