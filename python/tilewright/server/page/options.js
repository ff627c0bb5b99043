// What a person chooses for all pictures: network, size of the result, format and quality.

import { sentence, size } from "./text.js";

const BY_SIDE = "side";

const element = (id) => document.getElementById(id);

export class Options {
  #networks;

  // `changed` is called when the networks are there, and after each change of network or size.
  constructor(changed) {
    element("network").onchange = () => {
      this.#showNetwork();
      changed();
    };
    element("sizes").onchange = () => {
      this.#showSide();
      changed();
    };
    element("side").oninput = changed;
    element("formats").onchange = () => (element("quality-field").hidden = checked("format") === "PNG");
    element("quality").oninput = ({ target }) => (target.nextElementSibling.value = target.value);
  }

  set networks(networks) {
    this.#networks = networks;
    element("network").replaceChildren(...networks.map(({ name, aliases }) => new Option(label(name, aliases), name)));
    this.#showNetwork();
  }

  get model() {
    return element("network").value;
  }

  // Returns the factor for a picture: the chosen one, or the smallest that reaches the wanted side.
  factor({ width, height }) {
    const chosen = checked("size");
    if (chosen !== BY_SIDE) return Number(chosen);
    const longer = Math.max(width, height);
    const scales = this.#scales;
    return scales.find((scale) => longer * scale >= this.#side) ?? scales.at(-1);
  }

  // Says what comes out of a picture.
  result(picture) {
    const factor = this.factor(picture);
    const times = `${factor} times`;
    if (picture.width === null) return `Enlarged ${times}`;
    const result = { width: picture.width * factor, height: picture.height * factor };
    const text = `${size(picture)} → ${size(result)}`;
    if (checked("size") !== BY_SIDE) return text;
    const isReached = Math.max(result.width, result.height) >= this.#side;
    return `${text}, ${times}${isReached ? "" : `; the network cannot reach ${this.#side} px`}`;
  }

  // Returns the fields of a task that are chosen here.
  fields(picture) {
    const format = checked("format");
    return {
      upscaleFactor: this.factor(picture),
      model: this.model,
      outputFormat: format,
      ...(format === "PNG" ? {} : { outputQuality: Number(element("quality").value) }),
    };
  }

  get #network() {
    return this.#networks.find(({ name }) => name === this.model);
  }

  get #scales() {
    return this.#network.scales.toSorted((one, other) => one - other);
  }

  get #side() {
    return Math.max(1, Number(element("side").value));
  }

  #showNetwork() {
    const { summary, licence } = this.#network;
    element("summary").textContent = `${sentence(summary)} Licence: ${licence || "unknown"}.`;
    const before = checked("size");
    const scales = this.#scales;
    const kept = before === BY_SIDE || scales.includes(Number(before)) ? before : String(scales.at(-1));
    element("sizes").replaceChildren(
      ...scales.map((scale) => radio("size", String(scale), `${scale}×`, `${scale} times`, kept)),
      radio("size", BY_SIDE, "By pixels", "By pixels", kept),
    );
    this.#showSide();
  }

  #showSide() {
    element("side-field").hidden = checked("size") !== BY_SIDE;
  }
}

// Names a network with its purposes. Aliases with a colon are identifiers of other services.
function label(name, aliases) {
  const purposes = aliases.filter((alias) => !alias.includes(":"));
  return purposes.length ? `${name} (${purposes.join(", ")})` : name;
}

function checked(name) {
  return document.querySelector(`input[name=${name}]:checked`)?.value;
}

function radio(name, value, text, spoken, chosen) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "radio", name, value, ariaLabel: spoken });
  input.checked = value === chosen;
  const span = document.createElement("span");
  span.textContent = text;
  label.append(input, span);
  return label;
}
