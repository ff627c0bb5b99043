// A result beside its input: a slider for mouse, touch and keyboard, and a zoom to the pixels of the result.

export class Comparison {
  #frame;
  #view;
  #stage;
  #before;
  #after;
  #split;
  #slider;
  #zoom;

  constructor(figure) {
    const find = (selector) => figure.querySelector(selector);
    [this.#frame, this.#view, this.#stage] = [find(".frame"), find(".view"), find(".stage")];
    [this.#before, this.#after, this.#split] = [find(".before"), find(".after"), find(".split")];
    [this.#slider, this.#zoom] = [find("input"), find(".zoom")];
    this.#slider.oninput = () => this.#place();
    this.#zoom.onclick = () => this.#toggleZoom();
    this.#view.onscroll = () => this.#place();
    this.#view.onpointerdown = (event) => (this.#isZoomed ? this.#pan(event) : this.#drag(event));
    this.#split.onpointerdown = (event) => this.#drag(event);
    new ResizeObserver(() => this.#place()).observe(this.#frame);
  }

  // Shows a result. `before` is the address of the input.
  show({ name, before, after }) {
    const { naturalWidth: width, naturalHeight: height } = after;
    this.#after.src = after.src;
    this.#after.alt = `${name}, enlarged`;
    this.#before.src = before;
    this.#before.onerror = () => this.#frame.classList.add("alone"); // a format that browsers do not know
    this.#slider.ariaLabel = `Before and after of ${name}`;
    this.#zoom.ariaLabel = `1:1, pixels of ${name}`;
    this.#frame.style.setProperty("--ratio", width / height);
    this.#frame.style.setProperty("--natural", `${width / devicePixelRatio}px`);
    this.#place();
  }

  get #isZoomed() {
    return this.#zoom.getAttribute("aria-pressed") === "true";
  }

  // Puts the split where the slider is. It stays in its place while a zoomed picture moves under it.
  #place() {
    const share = this.#slider.value;
    const x = (this.#frame.clientWidth * share) / 100 + this.#view.scrollLeft;
    const hidden = Math.max(0, this.#stage.clientWidth - x);
    this.#before.style.clipPath = `inset(0px ${hidden}px 0px 0px)`;
    this.#split.style.left = `${share}%`;
    this.#slider.ariaValueText = `${share} % before, ${100 - share} % after`;
  }

  #toggleZoom() {
    const view = this.#view;
    const centre = [
      (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth,
      (view.scrollTop + view.clientHeight / 2) / view.scrollHeight,
    ];
    this.#zoom.setAttribute("aria-pressed", !this.#isZoomed);
    this.#frame.classList.toggle("zoomed", this.#isZoomed);
    this.#frame.style.setProperty("--natural", `${this.#after.naturalWidth / devicePixelRatio}px`);
    if (this.#isZoomed) {
      view.tabIndex = 0; // so that the keyboard can move it
      view.setAttribute("role", "group");
      view.ariaLabel = `${this.#after.alt}, at 1:1`;
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) view.removeAttribute(name);
    }
    view.scrollLeft = centre[0] * view.scrollWidth - view.clientWidth / 2;
    view.scrollTop = centre[1] * view.scrollHeight - view.clientHeight / 2;
    this.#place();
  }

  #drag(event) {
    if (event.button !== 0) return;
    const move = ({ clientX }) => {
      const { left, width } = this.#frame.getBoundingClientRect();
      this.#slider.value = ((clientX - left) / width) * 100;
      this.#place();
    };
    if (event.pointerType === "mouse") {
      event.preventDefault(); // no selection, and no drag of the picture itself
      move(event);
    }
    followPointer(event, move);
  }

  // Touch moves a zoomed picture by itself.
  #pan(event) {
    if (event.button !== 0 || event.pointerType !== "mouse") return;
    event.preventDefault();
    this.#view.focus({ preventScroll: true });
    followPointer(event, ({ movementX, movementY }) => this.#view.scrollBy(-movementX, -movementY));
  }
}

function followPointer({ currentTarget, pointerId }, move) {
  const stop = new AbortController();
  const options = { signal: stop.signal };
  currentTarget.setPointerCapture(pointerId);
  currentTarget.addEventListener("pointermove", move, options);
  for (const name of ["pointerup", "pointercancel"]) currentTarget.addEventListener(name, () => stop.abort(), options);
}
