// What the explorables share: nodes, handles to drag, sliders, choices, and a model for pages without a kernel.

/** An HTML element: properties are set, aria-*, role, data-* and style strings are attributes. */
export function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (/^(aria-|role$|data-|style$|for$)/.test(key)) node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children);
  return node;
}

/** Keys that are an explorable's own while it has the focus: JupyterLab would walk through its cells by them. */
export const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

/** An SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set(node, attributes);
  node.append(...children);
  return node;
}

export function set(node, attributes) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

export const css = (color) => `rgb(${color.map((value) => Math.round(255 * value)).join(" ")})`;
export const number = (value, digits = 2) => (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits).replace("-", "−");
/** A colour in words for screen readers. */
export const spoken = (color) => `red ${number(color[0])}, green ${number(color[1])}, blue ${number(color[2])}`;
/** A colour's brightness, to choose ink that shows on it. */
export const bright = (color) => 0.3 * color[0] + 0.59 * color[1] + 0.11 * color[2] > 0.55;

/** A model for pages: what anywidget's offers and the explorables use. */
export function localModel(state) {
  const values = {};
  for (const [key, value] of Object.entries(state)) values[key] = value?.base64 === undefined ? value : decode(value.base64);
  const heard = [];
  return {
    get: (name) => values[name],
    set(name, value) {
      if (JSON.stringify(values[name]) === JSON.stringify(value)) return;
      values[name] = value;
      for (const [event, act] of [...heard]) if (event === `change:${name}` || event === "change") act();
    },
    save_changes() {},
    on: (event, act) => heard.push([event, act]),
    off(event, act) {
      const at = heard.findIndex((one) => one[0] === event && one[1] === act);
      if (at >= 0) heard.splice(at, 1);
    },
  };
}

function decode(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let k = 0; k < bytes.length; k += 1) bytes[k] = binary.charCodeAt(k);
  return new DataView(bytes.buffer);
}

/**
 * What a module exports: `render` for anywidget, `mount` for pages. `build({ model, el, on, put })` fills `el`, and
 * returns what to do when a value changed; `put(values)` sets several values and tells Python; `on` ends listeners.
 */
export function explorable(build) {
  const render = ({ model, el }) => {
    const off = new AbortController();
    const root = make("div", { className: "mk-x" });
    el.append(root);
    let saving = false;
    const put = (values) => {
      for (const [key, value] of Object.entries(values)) model.set(key, value);
      if (saving) return;
      // A kernel hears of a drag once a frame.
      saving = true;
      requestAnimationFrame(() => {
        saving = false;
        if (!off.signal.aborted) model.save_changes();
      });
    };
    let waiting = false;
    let update = () => {};
    const changed = () => {
      if (waiting) return;
      waiting = true;
      queueMicrotask(() => {
        waiting = false;
        if (!off.signal.aborted) update();
      });
    };
    update = build({ model, el: root, on: { signal: off.signal }, put, changed }) ?? update;
    model.on("change", changed);
    update();
    return () => {
      off.abort();
      model.off("change", changed);
    };
  };
  const mount = (el, state) => {
    // For the page's own scripts: el.explorable.get("alpha").
    el.explorable = localModel(state);
    return render({ model: el.explorable, el });
  };
  return { render, mount };
}

/** Where a pointer event lies in the coordinates of an SVG. */
export function placeIn(root, event) {
  const point = new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse());
  return [point.x, point.y];
}

/**
 * A handle in an SVG that mouse, touch, pen and arrow keys move. `move([x, y], { by })` gets the place it should go to;
 * a key's place is the present one and a step from it. `label` and `said()` name it and its value for screen readers.
 */
export function handle(root, { label, at, move, said, value, step = 6, shape = null, text = "", kind = "" }, on) {
  const seen = shape ?? svg("circle", { r: 9, class: "mk-x-dot" });
  const node = svg("g", { class: `mk-x-handle ${kind}`, tabindex: 0, role: "slider", "aria-label": label,
    "aria-valuemin": 0, "aria-valuemax": 1, "aria-roledescription": "handle: arrow keys move it", ...OWN_KEYS },
    svg("circle", { r: 20, class: "mk-x-reach" }), svg("circle", { r: 15, class: "mk-x-ring" }), seen);
  if (text) node.append(svg("text", { class: "mk-x-name", y: -15, "text-anchor": "middle" }, text));
  root.append(node);
  let grip = null;
  node.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    event.preventDefault();
    node.focus({ preventScroll: true });
    node.setPointerCapture(event.pointerId);
    const [x, y] = placeIn(root, event);
    const [hx, hy] = at();
    grip = [hx - x, hy - y];
    node.classList.add("mk-x-held");
  }, on);
  const follow = (event) => {
    if (!grip) return;
    const [x, y] = placeIn(root, event);
    move([x + grip[0], y + grip[1]], { by: "pointer" });
  };
  node.addEventListener("pointermove", follow, on);
  const release = (event) => {
    // The last moves of a finger may come with its leaving.
    if (event.type === "pointerup") follow(event);
    grip = null;
    node.classList.remove("mk-x-held");
  };
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) node.addEventListener(name, release, on);
  // Chromium heeds touch-action on an SVG's shapes only by halves: a drag to the side would be taken for scrolling.
  node.addEventListener("touchstart", (event) => event.preventDefault(), { ...on, passive: false });
  node.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!way || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [x, y] = at();
    const far = event.shiftKey ? 5 * step : step;
    move([x + far * way[0], y + far * way[1]], { by: "key", way });
  }, on);
  return {
    node,
    shape: seen,
    update() {
      const [x, y] = at();
      set(node, { transform: `translate(${x.toFixed(2)} ${y.toFixed(2)})`, "aria-valuetext": said(), "aria-valuenow": value().toFixed(2) });
    },
  };
}

/** A labelled slider with its value; `scale` turns the slider's number into the value's and back. */
export function slider({ label, min = 0, max = 1, step = 0.01, value, show = (v) => number(v), said = show, input, scale }, on) {
  const to = scale?.to ?? ((v) => v);
  const from = scale?.from ?? ((v) => v);
  const range = make("input", { type: "range", min, max, step });
  const out = make("output");
  const node = make("label", { className: "mk-x-slider" }, make("span", {}, label), range, out);
  const put = (v) => {
    range.value = from(v);
    range.setAttribute("aria-valuetext", said(v));
    range.style.setProperty("--at", `${(100 * (range.value - min)) / (max - min)}%`);
    out.textContent = show(v);
  };
  range.addEventListener("input", () => input(to(Number(range.value))), on);
  if (value !== undefined) put(value);
  return { node, range, put };
}

let groups = 0;

/** One of several: radio buttons that look like one bar. */
export function choices({ label, options, input }, on) {
  groups += 1;
  const name = `mk-x-${groups}-${Math.random().toString(36).slice(2, 8)}`;
  const inputs = {};
  const node = make("div", { className: "mk-x-choices", role: "radiogroup", "aria-label": label });
  for (const [key, text] of Object.entries(options)) {
    inputs[key] = make("input", { type: "radio", name, value: key });
    inputs[key].addEventListener("change", () => input(key), on);
    node.append(make("label", {}, inputs[key], make("span", { textContent: text })));
  }
  return { node, put: (key) => { if (inputs[key]) inputs[key].checked = true; } };
}

export function button(text, act, on, properties = {}) {
  const node = make("button", { type: "button", textContent: text, ...properties });
  node.addEventListener("click", act, on);
  return node;
}

/** Text that screen readers hear once it rests for a moment: a drag would have them speak without end. */
export function status() {
  const seen = make("p", { className: "mk-x-says" });
  const heard = make("span", { className: "mk-x-heard", role: "status" });
  let timer = 0;
  return {
    node: make("div", {}, seen, heard),
    put(text) {
      if (seen.textContent === text) return;
      seen.textContent = text;
      clearTimeout(timer);
      timer = setTimeout(() => { heard.textContent = text; }, 600);
    },
  };
}

/** A picture of bytes (a DataView from the model) as an ImageBitmap. */
export function bitmap(bytes, type = "image/webp") {
  return createImageBitmap(new Blob([bytes], { type }), { colorSpaceConversion: "none" });
}
