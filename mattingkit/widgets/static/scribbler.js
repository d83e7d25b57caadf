// The drawing pad, whole: toolbar, photograph, result, status line. Ink appears within the event that draws it and zoom
// within a frame, whatever the kernel does. Python keeps the truth: finished marks go there as vectors in image
// coordinates, and the marks in force come back the same way. Large pictures come once, as messages, to a page that says
// hello; small things are traits.

const LABELS = {
  foreground: ["Keep", "1", "What to keep"],
  background: ["Remove", "2", "What to remove; the right mouse button does so too"],
  unknown: ["Hair", "3", "Hair, fur, fuzzy edges: the method decides how much of each pixel to keep"],
  erase: ["Erase", "4", "Take strokes away; Alt and the mouse does so too"],
};
const TOOLS = {
  brush: ["Brush", "B", "Paint"],
  lasso: ["Lasso", "L", "Draw around an area"],
  fill: ["Fill", "F", "Fill an area of similar colours"],
  move: ["Hand", "H", "Move the enlarged picture"],
};
const SWATCHES = [["white", "White"], ["black", "Black"], ["#438edb", "Blue"], ["#d9001b", "Red"], ["#2e7d32", "Green"]];
const KEYS = [
  ["1 2 3 4", "keep, remove, hair, erase"], ["right button", "remove"], ["Alt + drag", "erase"],
  ["Shift + click", "straight line from the last point"], ["[ ]", "smaller, larger brush"], ["B L F H", "brush, lasso, fill, hand"],
  ["Z / Y", "undo / redo"], ["+ − 0", "zoom in, out, all"], ["Ctrl + wheel", "zoom at the pointer"],
  ["Space + drag", "move the picture; so do the middle button and arrows"], ["V (hold)", "the photograph alone"],
  ["D", "what the last stroke changed"], ["R", "replay the strokes"],
  ["Esc", "give up the stroke, stop the method"], ["?", "these keys"],
];
const ICONS = {
  foreground: '<circle cx="10" cy="10" r="6" fill="var(--mk-keep)" stroke="none"/>',
  background: '<circle cx="10" cy="10" r="6" fill="var(--mk-remove)" stroke="none"/>',
  unknown: '<circle cx="10" cy="10" r="6" fill="none" stroke="var(--mk-hair-line)"/><path d="M10 4a6 6 0 0 1 0 12z" fill="var(--mk-hair)" stroke="var(--mk-hair-line)"/>',
  erase: '<path d="M3 12.5 10.5 5a1.5 1.5 0 0 1 2.1 0l3 3a1.5 1.5 0 0 1 0 2.1L10 15.5H6zM7 8.5l5 5M9 15.5h8"/>',
  brush: '<path d="M16.5 3.5 9 11m0 0c-2.4-.6-4 .8-4 2.700 0 1.400-1 1.800-2 1.800 3.500 2 7.500.5 7.500-2.500 0-.8-.6-1.600-1.500-2z"/>',
  lasso: '<path d="M6 13.200C4 12.300 2.700 10.800 2.700 9c0-3.100 3.300-5.500 7.300-5.500s7.300 2.400 7.300 5.500-3.300 5.500-7.300 5.500c-1 0-1.900-.1-2.700-.4M6 13c1.200-.8 2.600 0 2.200 1.300-.4 1.200-2.400 1.200-2.400 2.900"/>',
  fill: '<path d="m8.500 3 6.500 6.500-5.500 5.500a1.400 1.400 0 0 1-2 0L3 10.500a1.400 1.400 0 0 1 0-2L8.500 3zM3 9.500h11.800M17 13c.8 1.200 1.200 2 1.200 2.600a1.200 1.200 0 0 1-2.400 0c0-.6.400-1.400 1.200-2.600z"/>',
  move: '<path d="M10 2.500v15M2.500 10h15M10 2.500 8 4.500m2-2 2 2M10 17.500l-2-2m2 2 2-2M2.500 10l2-2m-2 2 2 2M17.500 10l-2-2m2 2-2 2"/>',
  undo: '<path d="M7 4 3.500 7.500 7 11M3.500 7.500H12a4.500 4.500 0 0 1 0 9H7"/>',
  redo: '<path d="m13 4 3.500 3.500L13 11M16.500 7.500H8a4.500 4.500 0 0 0 0 9h5"/>',
  fit: '<path d="M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4"/>',
  more: '<g fill="currentColor" stroke="none"><circle cx="4" cy="10" r="1.500"/><circle cx="10" cy="10" r="1.500"/><circle cx="16" cy="10" r="1.500"/></g>',
  minus: '<path d="M4.500 10h11"/>', plus: '<path d="M4.500 10h11M10 4.500v11"/>', down: '<path d="m6 8 4 4 4-4"/>',
  close: '<path d="m5 5 10 10M15 5 5 15"/>',
};
const svg = (name) => `<svg viewBox="0 0 20 20" aria-hidden="true" focusable="false">${ICONS[name]}</svg>`;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const rounded = ([row, col]) => [Math.round(row * 100) / 100, Math.round(col * 100) / 100];
const PIECE = 1 << 20;
//: The pad that the mouse is over has the keys.
let hovered = null;

function h(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "html") made.innerHTML = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

// A picture at half, a quarter … of its size: drawn small, the nearest one costs least and looks best.
async function levelsOf(bytes) {
  const levels = [await createImageBitmap(new Blob([bytes]))];
  for (let last = levels[0]; Math.max(last.width, last.height) > 1200; levels.push(last)) {
    const [resizeWidth, resizeHeight] = [Math.ceil(last.width / 2), Math.ceil(last.height / 2)];
    last = await createImageBitmap(last, { resizeWidth, resizeHeight, resizeQuality: "medium" });
  }
  return levels;
}

// Done by a thread of the page, since for a large picture it takes a tenth of a second, in which no ink would appear.
const THREAD = `${levelsOf}
onmessage = ({ data: [turn, bytes] }) => levelsOf(bytes).then((levels) => postMessage([turn, levels], levels), () => postMessage([turn, null]));`;
const asked = new Map();
let thread = null;
let turns = 0;
function startThread() {
  // Where a page may start none, everything is decoded as well, with a pause.
  const giveUp = () => { thread = false; for (const [bytes, answer] of asked.values()) answer(levelsOf(bytes).catch(() => null)); asked.clear(); };
  try {
    thread = new Worker(URL.createObjectURL(new Blob([THREAD], { type: "text/javascript" })));
    thread.onerror = giveUp;
    thread.onmessage = ({ data: [turn, levels] }) => { asked.get(turn)?.[1](levels); asked.delete(turn); };
  } catch { giveUp(); }
}
function decoded(bytes) {
  return new Promise((answer) => {
    if (thread === null) startThread();
    if (!thread) { answer(levelsOf(bytes).catch(() => null)); return; }
    asked.set(++turns, [bytes, answer]);
    thread.postMessage([turns, bytes]);
  });
}

function render({ model, el }) {
  const off = new AbortController();
  const on = { signal: off.signal };
  const [H, W] = model.get("shape");
  const get = (name) => model.get(name);
  const tell = (content, buffers) => model.send(content, undefined, buffers);
  const put = (changes) => { for (const [name, value] of Object.entries(changes)) model.set(name, value); model.save_changes(); };

  // What is shown ------------------------------------------------------------------------------------------------------
  const pictures = { photo: null, alpha: null, colours: null, backdrop: null };
  let outlines = null;
  let marks = [];
  let pending = [];
  let kernelInk = null;
  // The replay that is running; the answers given so far, small, with the number of marks that each answers; whether what
  // the last stroke changed is shown, and that.
  let playing = null;
  let answers = [];
  let watching = false;
  let changes = null;
  let gone = false;
  let stopped = false;
  // Where this tab keeps strokes on this photograph, and those found there.
  let drawer = "";
  let rescued = [];
  let answered = false;
  // What the person does -----------------------------------------------------------------------------------------------
  let stroke = null;
  let pan = null;
  let pinch = null;
  let cursor = null;
  let last = null;
  let space = false;
  let bare = false;
  let next = Date.now();
  const touches = new Map();
  const resting = [];

  // The toolbar --------------------------------------------------------------------------------------------------------
  const icon = (name, title, action, attributes = {}) =>
    h("button", { type: "button", class: "mk-icon", title, "aria-label": title, html: svg(name), onclick: action, ...attributes });
  const labels = Object.fromEntries(Object.entries(LABELS).map(([name, [word, key, help]]) => [name, h("button",
    { type: "button", class: `mk-choice mk-${name}`, title: `${help} (key ${key})`, "aria-label": word, "aria-keyshortcuts": key,
      onclick: () => choose(name) }, h("span", { class: "mk-svg", html: svg(name) }), h("span", { class: "mk-word", "data-word": word }, word), h("kbd", {}, key))]));
  const toolWord = h("span", { class: "mk-word" });
  const toolIcon = h("span", { class: "mk-svg" });
  const tool = h("button", { type: "button", class: "mk-choice mk-tool", "aria-haspopup": "menu", "aria-expanded": "false" },
    toolIcon, toolWord, h("span", { class: "mk-svg mk-small", html: svg("down") }));
  const widest = Math.max(8, Math.min(200, Math.max(H, W) / 6));
  const toRadius = (t) => 0.5 * (widest / 0.5) ** t;
  const fromRadius = (radius) => Math.log(radius / 0.5) / Math.log(widest / 0.5);
  const size = h("input", { type: "range", min: 0, max: 1, step: 0.005, "aria-label": "Brush size", title: "Brush size (keys [ and ])",
    oninput: () => put({ radius: toRadius(Number(size.value)) }) });
  const sizeText = h("output", { class: "mk-number" });
  const reach = h("input", { type: "range", min: 0, max: 0.5, step: 0.01, "aria-label": "Colour difference that Fill crosses",
    title: "Colour difference that Fill crosses", oninput: () => put({ tolerance: Number(reach.value) }) });
  const reachText = h("output", { class: "mk-number" });
  const undo = icon("undo", "Undo (Z)", () => tell({ do: "undo" }), { "aria-label": "Undo" });
  const redo = icon("redo", "Redo (Y)", () => tell({ do: "redo" }), { "aria-label": "Redo" });
  const zoomText = h("button", { type: "button", class: "mk-number mk-zoom", title: "Show the whole picture (0)", onclick: () => look(1, 0, 0) });
  const more = icon("more", "More", () => {}, { "aria-haspopup": "dialog", "aria-expanded": "false" });
  const group = (name, ...children) => h("div", { class: `mk-group mk-${name}`, role: "group", "aria-label": name }, ...children);
  const sizes = group("size", size, sizeText);
  const reaches = group("reach", reach, reachText);
  const bar = h("div", { class: "mk-toolbar", role: "toolbar", "aria-label": "Drawing tools" },
    group("labels", ...Object.values(labels)), group("tools", tool), sizes, reaches, group("history", undo, redo),
    group("zoom", icon("minus", "Zoom out (−)", () => zoomBy(1 / 1.5), { "aria-label": "Zoom out" }), zoomText,
      icon("plus", "Zoom in (+)", () => zoomBy(1.5), { "aria-label": "Zoom in" }),
      icon("fit", "Show the whole picture (0)", () => look(1, 0, 0), { "aria-label": "Fit" })),
    h("span", { class: "mk-grow" }), group("more", more));

  // The panes ----------------------------------------------------------------------------------------------------------
  function makePane(name, caption, described, ...controls) {
    const canvas = h("canvas", { role: "application", tabindex: 0, "aria-roledescription": described, "aria-label":
      `${caption}. ${W} by ${H} pixels. Keys 1 to 4 choose what to paint, brackets the size, question mark shows all keys.` });
    const over = h("canvas", { class: "mk-over", "aria-hidden": "true" });
    const holder = h("div", { class: "mk-holder" }, canvas, over);
    const banners = h("div", { class: "mk-banners" });
    const area = h("div", { class: "mk-area" }, holder, banners);
    const figure = h("section", { class: `mk-pane mk-pane-${name}`, "aria-label": caption },
      h("header", {}, h("span", { class: "mk-caption" }, caption), ...controls), area);
    const layer = () => document.createElement("canvas");
    return { name, figure, canvas, over, holder, banners, area, base: layer(), ink: layer() };
  }
  const seen = Object.fromEntries([["alpha", "Alpha"], ["checkerboard", "Cut-out"], ["colour", "On"], ["overlay", "Overlay"]].map(
    ([name, word]) => [name, h("button", { type: "button", title: { alpha: "White is kept, black removed", checkerboard: "The subject alone",
      colour: "The subject on a colour", overlay: "The photograph, what is removed tinted" }[name],
      onclick: (event) => (name === "colour" ? colours(event) : put({ shown: name })) }, word)]));
  const swatch = h("span", { class: "mk-swatch" });
  seen.colour.append(" ", swatch, h("span", { class: "mk-svg mk-small", html: svg("down") }));
  seen.colour.setAttribute("aria-haspopup", "dialog");
  seen.colour.setAttribute("aria-label", "On colour");
  const busyText = h("span", {});
  const busy = h("div", { class: "mk-busy", role: "status" }, h("span", { class: "mk-spinner" }), busyText,
    h("button", { type: "button", class: "mk-stop", title: "Stop (Esc)", onclick: () => tell({ do: "cancel" }) }, "Stop"));
  const photo = makePane("photo", "Photo", "drawing pad");
  const result = makePane("result", "Result", "result, to draw on too",
    h("div", { class: "mk-segments", role: "group", "aria-label": "Show the result as" }, ...Object.values(seen)));
  const hint = h("p", { class: "mk-hint" });
  result.area.append(busy, hint);
  const told = h("span", { role: "status" });
  const note = h("footer", { class: "mk-note", hidden: true }, told,
    h("button", { type: "button", class: "mk-plain-button", onclick: () => watchChanges(false) }, "Close"));
  result.figure.append(note);
  const panes = [photo, result];
  const which = Object.fromEntries(["Photo", "Result", "Both"].map((word) => [word, h("button", { type: "button",
    onclick: () => { stage.dataset.one = word; arrange(); } }, word)]));
  const tabs = h("div", { class: "mk-segments mk-tabs", role: "group", "aria-label": "Show" }, ...Object.values(which));
  const stage = h("div", { class: "mk-stage2", "data-one": "Photo" }, photo.figure, result.figure);

  // The status line and what lies over it all --------------------------------------------------------------------------
  const place = h("span", { class: "mk-place" });
  const said = h("span", { class: "mk-said", role: "status" });
  const tally = h("span", { class: "mk-tally" });
  const help = h("button", { type: "button", class: "mk-help", title: "Keys (?)", onclick: () => keys.toggleAttribute("hidden") }, "? keys");
  const status = h("div", { class: "mk-line" }, place, said, tally, help);
  const keys = h("div", { class: "mk-keys", role: "dialog", "aria-label": "Keys", hidden: true },
    h("div", { class: "mk-head" }, h("strong", {}, "Keys and gestures"), icon("close", "Close", () => keys.setAttribute("hidden", ""))),
    h("dl", {}, ...KEYS.flatMap(([key, what]) => [h("dt", {}, key), h("dd", {}, what)])),
    h("p", {}, "Two fingers zoom and move; where one picture is shown at a time, a swipe of two fingers shows the other. Paint on either."));
  const menu = h("div", { class: "mk-menu", role: "menu", "aria-label": "Choices", hidden: true });
  const file = h("input", { type: "file", accept: ".png,.json,.tif,.tiff,.bmp", hidden: true, "aria-label": "Strokes or trimap" });
  // Lumino leaves the keys alone that are pressed in here; the notebook's cell is not to be edited by them.
  const root = h("div", { class: "mk-scribbler", "data-lm-suppress-shortcuts": "true" }, bar, tabs, stage, status, keys, menu, file);
  if (get("width")) root.style.maxWidth = `${get("live") ? 2 * get("width") + 20 : get("width") + 6}px`;
  el.classList.add("mk-scribbler-host");
  el.append(root);

  // Geometry: pixel [row, col] has its centre at ((col + .5 - left) * s, (row + .5 - top) * s) of the backing store ----
  const ratio = () => clamp(window.devicePixelRatio || 1, 1, 3);
  const scale = () => (photo.canvas.width / W) * get("view")[0];
  function toImage(event, canvas) {
    const box = canvas.getBoundingClientRect();
    const [, top, left] = get("view");
    const unit = (photo.canvas.width / box.width) / scale();
    return [(event.clientY - box.top) * unit + top - 0.5, (event.clientX - box.left) * unit + left - 0.5];
  }
  function fit(context) {
    const [, top, left] = get("view");
    context.setTransform(scale(), 0, 0, scale(), -left * scale(), -top * scale());
  }
  function wipe(canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, canvas.width, canvas.height);
    return context;
  }

  const fullScreen = () => root.getRootNode().fullscreenElement === root;
  function toggleFullScreen() {
    if (fullScreen()) document.exitFullscreen(); else root.requestFullscreen().catch(() => {});
  }
  document.addEventListener("fullscreenchange", () => requestAnimationFrame(arrange), on);

  let shownWidth = 0;
  function arrange() {
    const full = fullScreen();
    const available = root.clientWidth - (full ? 20 : 0);
    if (available <= 0) return;
    const touch = matchMedia("(pointer: coarse)").matches;
    const live = get("live");
    const wide = !live || available >= 2 * Math.min(320, get("width") || 320) + 18;
    root.classList.toggle("mk-tiny", available < 540);
    root.classList.toggle("mk-one", !wide);
    root.classList.toggle("mk-touch", touch);
    // Where the toolbar would need a second row, first the digits go, then the words, the buttons of the zoom last.
    for (const [tight, narrow, few] of [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]) {
      root.classList.toggle("mk-tight", !!tight);
      root.classList.toggle("mk-narrow", !!narrow || available < 620);
      root.classList.toggle("mk-few", !!few);
      if (bar.offsetHeight < 1.8 * labels.erase.offsetHeight) break;
    }
    const one = stage.dataset.one;
    tabs.hidden = wide;
    photo.figure.hidden = !wide && one === "Result";
    result.figure.hidden = !live || (!wide && one === "Photo");
    for (const [word, button] of Object.entries(which)) button.setAttribute("aria-pressed", String(word === one));
    const columns = wide && live ? 2 : 1;
    const room = (available - 4 - (columns - 1) * 10) / columns - 2;
    const share = Number(getComputedStyle(el).getPropertyValue("--mk-pad-share")) || 0.7;
    const tall = full ? window.innerHeight - bar.offsetHeight - status.offsetHeight - photo.figure.firstChild.offsetHeight - 56 : share * window.innerHeight;
    // What lies below stays where it is when the next photograph has another shape.
    const keeps = wide && getComputedStyle(el).getPropertyValue("--mk-pad-keep");
    for (const pane of panes) pane.area.style.minHeight = keeps ? `${Math.round(Math.min(tall, (4 / 3) * room))}px` : "";
    const highest = Math.max(160, tall) / (!wide && one === "Both" ? 2 : 1);
    const limit = (!full && get("width")) || Infinity;
    const width = Math.max(80, Math.floor(Math.min(room, limit, (highest * W) / H)));
    const height = Math.max(1, Math.round((width * H) / W));
    const [bw, bh] = [Math.round(width * ratio()), Math.round(height * ratio())];
    for (const pane of panes) {
      pane.holder.style.width = `${width}px`;
      pane.holder.style.height = `${height}px`;
      for (const canvas of [pane.canvas, pane.over, pane.base, pane.ink]) {
        if (canvas.width !== bw || canvas.height !== bh) [canvas.width, canvas.height] = [bw, bh];
      }
    }
    if (bw !== shownWidth) { shownWidth = bw; put({ screen: bw }); }
    redraw();
  }

  // Drawing ------------------------------------------------------------------------------------------------------------
  function paint(context, levels) {
    if (!levels) return;
    let k = 0;
    while (k + 1 < levels.length && levels[k + 1].width >= W * scale()) k++;
    context.imageSmoothingEnabled = scale() < 2;
    // The level at hand is at most twice as fine as the screen: better smoothing would cost a frame and show nothing.
    context.imageSmoothingQuality = "low";
    context.drawImage(levels[k], 0, 0, W, H);
  }

  // Remove is striped and hair dotted, so that no one needs to tell hues apart; on the screen's grid, at any zoom.
  let tiles = {};
  function inkStyle(context, label) {
    const hue = get("hues")[label] ?? "#000";
    if (label === "foreground" || label === "erase") return hue;
    const unit = ratio();
    const key = `${label} ${unit}`;
    if (!tiles[key]) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = Math.round(8 * unit);
      const c = tile.getContext("2d");
      c.fillStyle = hue;
      c.fillRect(0, 0, tile.width, tile.height);
      c.strokeStyle = c.fillStyle = label === "background" ? "rgb(120 40 0 / 55%)" : "rgb(90 80 0 / 60%)";
      c.lineWidth = 1.1 * unit;
      const n = tile.width;
      c.beginPath();
      if (label === "background") for (const k of [-n, 0, n]) { c.moveTo(k - 1, -1); c.lineTo(k + n + 1, n + 1); }
      c.stroke();
      if (label === "unknown") { c.arc(n / 2, n / 2, 1.1 * unit, 0, 7); c.fill(); }
      tiles[key] = tile;
    }
    const pattern = context.createPattern(tiles[key], "repeat");
    pattern.setTransform(context.getTransform().inverse());
    return pattern;
  }

  function along(context, points, from = 0) {
    context.beginPath();
    for (let k = from; k < points.length; k++) {
      if (k === from) context.moveTo(points[k][1] + 0.5, points[k][0] + 0.5);
      if (k > from || points.length - from === 1) context.lineTo(points[k][1] + 0.5, points[k][0] + 0.5);
    }
  }
  function nib(context, radius) {
    context.lineWidth = 2 * radius;
    context.lineCap = context.lineJoin = "round";
  }
  // Draws a mark's points from number `first` on, over whatever is there.
  function trace(context, mark, first = 0) {
    // A guess lies beneath all ink, another trimap takes the place of what was drawn before it.
    if (mark.base === "beneath") return;
    fit(context);
    context.globalCompositeOperation = mark.label === "erase" ? "destination-out" : "source-over";
    if (mark.base) context.clearRect(-1, -1, W + 2, H + 2);
    else if (mark.area) {
      const [top, left, height, width] = mark.box;
      context.imageSmoothingEnabled = false;
      context.drawImage(mark.area, left, top, width, height);
    } else {
      context.strokeStyle = context.fillStyle = inkStyle(context, mark.label);
      along(context, mark.lasso ?? mark.points ?? [], Math.max(0, first - 1));
      if (mark.lasso) context.fill("evenodd");
      else {
        nib(context, mark.radius);
        context.stroke();
      }
    }
    context.globalCompositeOperation = "source-over";
  }

  // A fill's area comes as a mask; it is coloured once.
  async function coloured(mark, bytes) {
    const mask = await createImageBitmap(new Blob([bytes]));
    const canvas = h("canvas", { width: mask.width, height: mask.height });
    const context = canvas.getContext("2d");
    context.drawImage(mask, 0, 0);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = get("hues")[mark.label] ?? "#000";
    context.fillRect(0, 0, mask.width, mask.height);
    mark.area = canvas;
  }

  // Where a trimap is drawn upon, its unknown part is an outlined band; the photograph stays as it is.
  function drawOutlines(canvas) {
    if (!outlines) return;
    const { levels, height, width } = outlines;
    const [zoom, top, left] = get("view");
    const [cw, ch] = [canvas.width, canvas.height];
    const image = new ImageData(cw, ch);
    const pixels = new Uint32Array(image.data.buffer);
    const thick = Math.max(1, Math.round(ratio()));
    const column = (x) => clamp(Math.floor((left + (x / cw) * (W / zoom)) * (width / W)), 0, width - 1);
    const row = (y) => clamp(Math.floor((top + (y / ch) * (H / zoom)) * (height / H)), 0, height - 1) * width;
    const columns = Int32Array.from({ length: cw + thick }, (_, x) => column(x));
    for (let y = 0; y < ch; y++) {
      const [here, below] = [row(y), row(y + thick)];
      for (let x = 0; x < cw; x++) {
        const level = levels[here + columns[x]];
        if (level !== levels[here + columns[x + thick]] || level !== levels[below + columns[x]]) {
          // Little-endian ABGR: white and dark dashes.
          pixels[y * cw + x] = ((x + y) / thick) % 10 < 6 ? 0xffffffff : 0xff202020;
        } else if (level === 1) pixels[y * cw + x] = 0x26ffffff;
      }
    }
    const layer = h("canvas", { width: cw, height: ch });
    layer.getContext("2d").putImageData(image, 0, 0);
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.drawImage(layer, 0, 0);
  }

  function checks(context, canvas) {
    const unit = Math.round(8 * ratio());
    const tile = h("canvas", { width: 2 * unit, height: 2 * unit });
    const c = tile.getContext("2d");
    c.fillStyle = "#fff"; c.fillRect(0, 0, 2 * unit, 2 * unit);
    c.fillStyle = "#d4d4d4"; c.fillRect(0, 0, unit, unit); c.fillRect(unit, unit, unit, unit);
    context.fillStyle = context.createPattern(tile, "repeat");
    context.fillRect(0, 0, canvas.width, canvas.height);
  }

  function drawResult() {
    const canvas = result.base;
    const context = wipe(canvas);
    const alpha = playing ? playing.answer : pictures.alpha;
    if (!alpha) return;
    const shown = get("shown");
    const cover = (style) => { context.setTransform(1, 0, 0, 1, 0, 0); context.fillStyle = style; context.fillRect(0, 0, canvas.width, canvas.height); };
    fit(context);
    // A hue over the photograph, within a mask or outside of it.
    const tint = (name, how, mask, strength) => {
      const layer = h("canvas", { width: canvas.width, height: canvas.height });
      const hue = layer.getContext("2d");
      hue.fillStyle = get("hues")[name] ?? name;
      hue.fillRect(0, 0, canvas.width, canvas.height);
      hue.globalCompositeOperation = how;
      fit(hue);
      paint(hue, mask);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.globalAlpha = strength;
      context.drawImage(layer, 0, 0);
      context.globalAlpha = 1;
    };
    if (watching && !playing) {
      paint(context, pictures.photo);
      cover("rgb(255 255 255 / 62%)");
      // Red is more and blue is less, as in every picture of a difference.
      if (changes) { tint("#f00", "destination-in", changes.more, 1); tint("#00f", "destination-in", changes.less, 1); }
      return;
    }
    if (shown === "overlay") {
      paint(context, pictures.photo);
      // What is removed keeps a third of the photograph, so that one sees what it is.
      tint("background", "destination-out", alpha, 0.65);
      return;
    }
    paint(context, alpha);
    if (shown !== "alpha") {
      context.globalCompositeOperation = "source-in";
      paint(context, (!playing && pictures.colours) || pictures.photo);
    }
    context.globalCompositeOperation = "destination-over";
    if (shown === "alpha") cover("#000");
    else if (shown === "picture" && pictures.backdrop) paint(context, pictures.backdrop);
    else if (shown === "checkerboard" || shown === "picture") { context.setTransform(1, 0, 0, 1, 0, 0); checks(context, canvas); }
    else cover(shown);
    context.globalCompositeOperation = "source-over";
  }

  function redraw() {
    const base = wipe(photo.base);
    fit(base);
    paint(base, pictures.photo);
    if (!bare) drawOutlines(photo.base);
    if (!result.figure.hidden) drawResult();
    traceAll();
    moved = false;
    present();
  }
  function redrawInk() {
    traceAll();
    present();
  }
  function traceAll() {
    const ink = wipe(photo.ink);
    const live = wipe(result.ink);
    if (playing) {
      for (const mark of marks.slice(0, playing.whole)) trace(ink, mark);
      const { points, ...next } = marks[playing.whole] ?? {};
      if (points) trace(ink, { ...next, points: points.slice(0, Math.ceil(playing.share * points.length)) });
      return;
    }
    if (!kernelInk) for (const mark of marks) trace(ink, mark);
    for (const one of pending) for (const mark of one.marks) { trace(ink, mark); if (mark.label !== "erase") trace(live, mark); }
    for (const mark of stroke?.marks ?? []) { if (!kernelInk) trace(ink, mark); if (mark.label !== "erase") trace(live, mark); }
  }

  // One frame draws once, however many events it had.
  let queued = false;
  let moved = false;
  function present() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => {
      if (moved) redraw();
      queued = false;
      compose();
    });
  }
  function seenFrom() { moved = true; present(); zoomText.textContent = `${Math.round(100 * get("view")[0])} %`; }
  // The whole, or only the part [x, y, width, height] in which something has changed: beside a solver, every pixel counts.
  function compose(part = null) {
    const [x, y, width, height] = part ?? [0, 0, photo.canvas.width, photo.canvas.height];
    if (width <= 0 || height <= 0) return;
    for (const pane of panes) {
      if (pane.figure.hidden) continue;
      const context = pane.canvas.getContext("2d");
      const copy = (canvas) => context.drawImage(canvas, x, y, width, height, x, y, width, height);
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(x, y, width, height);
      if (bare && pane === result) { fit(context); paint(context, pictures.photo); } else copy(pane.base);
      if (!bare) {
        context.globalAlpha = get("opacity");
        if (pane === photo && kernelInk && !playing) context.drawImage(kernelInk.canvas, 0, 0, pane.canvas.width, pane.canvas.height);
        copy(pane.ink);
        context.globalAlpha = 1;
      }
      pointer(pane);
    }
  }
  // The part of the panes that a brush covers on its way.
  function swept(points, radius) {
    const [, top, left] = get("view");
    const reach = radius * scale() + 2;
    const span = (of, from, size) => {
      const at = points.map((point) => (point[of] + 0.5 - from) * scale());
      const low = clamp(Math.floor(Math.min(...at) - reach), 0, size);
      return [low, clamp(Math.ceil(Math.max(...at) + reach), 0, size) - low];
    };
    const [[y, height], [x, width]] = [span(0, top, photo.canvas.height), span(1, left, photo.canvas.width)];
    return [x, y, width, height];
  }

  function pointer(pane) {
    const context = wipe(pane.over);
    if (stroke?.lasso) {
      fit(context);
      context.beginPath();
      stroke.lasso.forEach(([row, col], k) => (k ? context.lineTo(col + 0.5, row + 0.5) : context.moveTo(col + 0.5, row + 0.5)));
      context.closePath();
      context.globalAlpha = 0.25;
      context.fillStyle = get("hues")[stroke.label] ?? "#fff";
      context.fill("evenodd");
      context.globalAlpha = 1;
      twice(context, 1 / scale());
    }
    if (!cursor) return;
    const [, top, left] = get("view");
    const [x, y] = [(cursor[1] + 0.5 - left) * scale(), (cursor[0] + 0.5 - top) * scale()];
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.beginPath();
    const r = get("radius") * scale();
    if (get("tool") === "brush" && !pan && !space && r > 2) context.arc(x, y, r, 0, 7);
    else if (get("tool") === "move" || pan || space) {
      const u = 7 * ratio();
      context.moveTo(x - u, y); context.lineTo(x + u, y); context.moveTo(x, y - u); context.lineTo(x, y + u);
      for (const [a, b] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + a * u + (b - a) * 0.4 * u, y + b * u + (a - b) * 0.4 * u * (a ? 0 : 1) - (a ? 0.4 * u : 0));
        context.lineTo(x + a * u, y + b * u);
      }
    } else {
      const u = 8 * ratio();
      context.moveTo(x - u, y); context.lineTo(x + u, y); context.moveTo(x, y - u); context.lineTo(x, y + u);
    }
    twice(context, 1);
  }
  // Black within white is seen on any picture.
  function twice(context, unit) {
    context.lineJoin = "round";
    context.lineWidth = 3 * unit * ratio(); context.strokeStyle = "rgb(255 255 255 / 90%)"; context.stroke();
    context.lineWidth = 1.4 * unit * ratio(); context.strokeStyle = "#111"; context.stroke();
  }

  // What was drawn is drawn once more, mark by mark, and beside it the answer that was given then.
  function replay() {
    if (playing || !marks.length || stroke) return;
    playing = { each: clamp(15000 / marks.length, 150, 900), whole: 0, share: 0, answer: null };
    requestAnimationFrame((begun) => { if (playing) { playing.begun = begun; play(begun); } });
  }
  function play(now) {
    if (!playing || off.signal.aborted) return;
    const at = (now - playing.begun) / playing.each;
    if (at >= marks.length + 1) { endReplay(); return; }
    playing.whole = Math.min(marks.length, Math.floor(at));
    playing.share = at - playing.whole;
    const answer = answers.findLast((one) => one.marks <= playing.whole);
    playing.answer = answer ? [answer.picture] : null;
    redraw();
    words();
    requestAnimationFrame(play);
  }
  function endReplay() {
    if (!playing) return;
    playing = null;
    redraw();
    words();
  }
  // What the last stroke changed, as long as one wants to see it: anew after every answer.
  function watchChanges(now) {
    watching = now;
    if (now) { if (result.figure.hidden) stage.dataset.one = "Result"; tell({ do: "changes" }); } else changes = null;
    arrange();
    words();
  }

  // Looking ------------------------------------------------------------------------------------------------------------
  let sending = 0;
  function look(zoom, top, left) {
    zoom = clamp(zoom, 1, 32);
    const view = [zoom, clamp(top, 0, H - H / zoom), clamp(left, 0, W - W / zoom)];
    model.set("view", view);
    clearTimeout(sending);
    // Where the view rests is of interest to the kernel, every step of the way is not; ink drawn there is the exception.
    if (kernelInk) model.save_changes();
    // Set again: until it is sent, the kernel's echo of an older view may have taken its place.
    else sending = setTimeout(() => { model.set("view", view); model.save_changes(); }, 150);
  }
  function zoomAt(factor, [row, col]) {
    const [zoom, top, left] = get("view");
    const wanted = clamp(zoom * factor, 1, 32);
    look(wanted, row + 0.5 - ((row + 0.5 - top) * zoom) / wanted, col + 0.5 - ((col + 0.5 - left) * zoom) / wanted);
  }
  function zoomBy(factor) {
    const [zoom, top, left] = get("view");
    zoomAt(factor, cursor ?? [top + H / zoom / 2 - 0.5, left + W / zoom / 2 - 0.5]);
  }
  function shift(dx, dy) {
    const [zoom, top, left] = get("view");
    const unit = ratio() / scale();
    look(zoom, top - dy * unit, left - dx * unit);
  }

  // Painting -----------------------------------------------------------------------------------------------------------
  function choose(label) {
    put({ label, ...(get("tool") === "move" ? { tool: "brush" } : {}) });
  }
  const radiusOf = (event) => (event.pointerType === "pen" && event.pressure > 0
    ? Math.max(0.5, get("radius") * 2 * event.pressure) : get("radius"));
  function pen(points, begins, mark) {
    if (kernelInk) tell({ do: "pen", points, begins, label: mark.label, radius: mark.radius });
  }
  function lay(mark, first) {
    if (!kernelInk) trace(photo.ink.getContext("2d"), mark, first);
    if (mark.label !== "erase") trace(result.ink.getContext("2d"), mark, first);
  }

  function begin(event, pane) {
    event.preventDefault();
    event.stopPropagation();
    pane.canvas.focus({ preventScroll: true });
    close();
    try { pane.canvas.setPointerCapture(event.pointerId); } catch { /* a pointer that a test made up */ }
    if (event.pointerType === "touch") touches.set(event.pointerId, event);
    endReplay();
    if (touches.size === 2) {
      give_up();
      const from = pinchOf();
      pinch = { from, to: from, zoom: get("view")[0], at: toImage({ clientX: from.x, clientY: from.y }, pane.canvas) };
      return;
    }
    if (stroke || pan || gone) return;
    const tool = get("tool");
    const point = rounded(toImage(event, pane.canvas));
    cursor = point;
    if (event.button === 1 || (event.button === 0 && (space || tool === "move"))) { pan = [event.clientX, event.clientY]; present(); return; }
    if (event.button !== 0 && event.button !== 2) return;
    const label = event.button === 2 ? "background" : event.altKey ? "erase" : get("label");
    if (tool === "fill") tell({ do: "fill", point, label });
    else if (tool === "lasso") stroke = { lasso: [point], label, pointer: event.pointerId };
    else if (tool === "brush") {
      const points = event.shiftKey && last ? [last, point] : [point];
      stroke = { marks: [{ label, radius: radiusOf(event), points }], pointer: event.pointerId };
      lay(stroke.marks[0], 0);
      pen(points, true, stroke.marks[0]);
    }
    compose();
  }

  function extend(event, pane) {
    if (touches.has(event.pointerId)) touches.set(event.pointerId, event);
    if (pinch) { if (touches.size === 2) pinched(); return; }
    if (pan) {
      shift(event.clientX - pan[0], event.clientY - pan[1]);
      pan = [event.clientX, event.clientY];
      cursor = toImage(event, pane.canvas);
      return;
    }
    const events = event.getCoalescedEvents?.() ?? [];
    const fresh = [];
    const way = stroke?.marks ? [stroke.marks.at(-1).points.at(-1)] : [];
    let thickest = 0;
    for (const one of events.length ? events : [event]) {
      const point = rounded(toImage(one, pane.canvas));
      cursor = point;
      if (!stroke || event.pointerId !== stroke.pointer) continue;
      if (stroke.lasso) { stroke.lasso.push(point); continue; }
      let mark = stroke.marks.at(-1);
      const radius = radiusOf(one);
      if (Math.abs(radius - mark.radius) > 0.15 * mark.radius) {
        mark = { label: mark.label, radius, points: [mark.points.at(-1)] };
        stroke.marks.push(mark);
        pen([...mark.points], true, mark);
      }
      mark.points.push(point);
      fresh.push(point);
      way.push(point);
      thickest = Math.max(thickest, mark.radius);
      lay(mark, mark.points.length - 1);
    }
    if (fresh.length) pen(fresh, false, stroke.marks.at(-1));
    // Ink goes onto the canvas within the event itself: the very next frame shows it.
    if (stroke?.marks && !kernelInk) compose(swept(way, thickest));
    else if (stroke?.marks) compose();
    else present();
    // Beside ink the status line rests: new text has the browser arrange and paint the page anew in every frame.
    if (!stroke) explainPlace();
  }

  function end(event) {
    touches.delete(event.pointerId);
    if (touches.size < 2 && pinch) { swiped(pinch.from, pinch.to); pinch = null; }
    if (pan) { pan = null; present(); return; }
    if (!stroke || stroke.pointer !== event.pointerId) return;
    const done = stroke;
    stroke = null;
    last = (done.lasso ?? done.marks.at(-1).points).at(-1);
    if (done.marks) keep(done.marks);
    else if (done.lasso.length > 2) keep([{ label: done.label, lasso: done.lasso }]);
    if (event.pointerType === "touch") cursor = null;
    redrawInk();
    letGo();
  }
  function give_up() {
    if (stroke?.marks) pen([], false, stroke.marks[0]);
    stroke = null;
    redrawInk();
    letGo();
  }
  // Answers to earlier strokes wait while a brush is down: to decode and show one would take a frame or two from the ink.
  function rest() { return stroke?.marks ? new Promise((go) => resting.push(go)) : Promise.resolve(); }
  function letGo() { for (const go of resting.splice(0)) go(); }
  function keep(drawn) {
    const id = ++next;
    pending.push({ id, marks: drawn });
    hold(id, drawn);
    tell({ do: "draw", marks: drawn, id });
  }
  function pinchOf() {
    const [a, b] = [...touches.values()];
    return { apart: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY), x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2 };
  }
  // From where the fingers were put down: step by step, what is cut off at the ends of the zoom would add up.
  function pinched() {
    const now = pinchOf();
    const box = (photo.figure.hidden ? result.canvas : photo.canvas).getBoundingClientRect();
    const zoom = clamp((pinch.zoom * now.apart) / (pinch.from.apart || 1), 1, 32);
    const unit = W / (box.width * zoom);
    look(zoom, pinch.at[0] + 0.5 - (now.y - box.top) * unit, pinch.at[1] + 0.5 - (now.x - box.left) * unit);
    pinch.to = now;
  }
  // Where there is room for one picture only, two fingers that go sideways turn to the other.
  function swiped(from, to) {
    const [dx, dy, wider] = [to.x - from.x, to.y - from.y, to.apart / (from.apart || 1)];
    if (!root.classList.contains("mk-one") || get("view")[0] > 1.1 || Math.abs(dx) < 50 || Math.abs(dx) < 2 * Math.abs(dy) || Math.abs(wider - 1) > 0.2) return;
    stage.dataset.one = dx < 0 ? "Result" : "Photo";
    look(1, 0, 0);
    arrange();
  }

  for (const pane of panes) {
    const listen = (name, handler, options = on) => pane.canvas.addEventListener(name, (event) => handler(event, pane), options);
    listen("pointerdown", begin);
    listen("pointermove", extend);
    listen("pointerup", end);
    listen("pointercancel", (event) => { touches.delete(event.pointerId); pinch = pan = null; end(event); });
    listen("pointerleave", () => { if (!stroke) { cursor = null; explainPlace(); present(); } });
    // Right button and middle button mean something here: no menu, no scrolling, nothing for the notebook.
    for (const name of ["mousedown", "mouseup", "auxclick"]) listen(name, (event) => { if (event.button) { event.preventDefault(); event.stopPropagation(); } });
    listen("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      zoomAt(Math.exp(-event.deltaY / 300), toImage(event, pane.canvas));
    }, { passive: false, signal: off.signal });
  }
  root.addEventListener("contextmenu", (event) => { event.preventDefault(); event.stopPropagation(); }, on);
  root.addEventListener("pointerenter", () => { hovered = root; }, on);
  root.addEventListener("pointerleave", () => { if (hovered === root) hovered = null; }, on);

  // Keys: here while the focus is in here, or the mouse is over it and nobody types elsewhere --------------------------
  const typing = (at) => at?.closest?.("input:not([type=range]), textarea, select, [contenteditable=true], .cm-editor");
  // marimo puts widgets in a shadow, whose focus the document does not tell.
  const focused = () => root.getRootNode().activeElement ?? document.activeElement;
  function mine() {
    const focus = focused();
    if (hovered === root) return !typing(focus) || root.contains(focus);
    return !hovered && (root.contains(focus) || idle(focus));
  }
  // In the Studio, of which the pad is the heart, keys are the pad's after a button, too, and while nothing has the focus.
  function idle(focus) {
    const home = root.closest(".mk-studio");
    return !!home && (!focus || focus === document.body || (focus.tagName === "BUTTON" && home.contains(focus)));
  }
  function key(event) {
    if (!mine() || event.key === "Tab" || off.signal.aborted) return;
    const at = focused();
    const inside = root.contains(at);
    if (inside && typing(at)) { event.stopPropagation(); return; }
    const command = event.ctrlKey || event.metaKey;
    const low = event.key.toLowerCase();
    if (command && !"zy".includes(low)) return;
    const button = inside && at.tagName === "BUTTON";
    if (button && [" ", "Enter"].includes(event.key)) { event.stopPropagation(); return; }
    // Elsewhere in the Studio, those that work a button, scroll the page or close a menu are not the pad's.
    if (hovered !== root && !inside && !/^[\w[\]?+=−-]$/.test(event.key)) return;
    if (event.key.startsWith("Arrow") && inside && !at.matches("canvas")) { arrows(event, at); return; }
    if (inside && at.type === "range" && ["Home", "End", "PageUp", "PageDown"].includes(event.key)) { event.stopPropagation(); return; }
    if (!press(event, low) && !/^[\w ]$|^(Enter|Delete|Backspace)$/.test(event.key)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }
  function press(event, low) {
    const label = Object.keys(LABELS)[Number(event.key) - 1];
    const toolName = { b: "brush", l: "lasso", f: "fill", h: "move" }[low];
    if (label) choose(label);
    else if (low === "z" || low === "y") tell({ do: low === "y" || event.shiftKey ? "redo" : "undo" });
    else if (toolName) put({ tool: toolName });
    else if (event.key === "[" || event.key === "]") put({ radius: clamp(get("radius") * (event.key === "]" ? 1.25 : 0.8), 0.5, widest) });
    else if ("+=".includes(event.key)) zoomBy(1.5);
    else if ("-−".includes(event.key)) zoomBy(1 / 1.5);
    else if (event.key === "0") look(1, 0, 0);
    else if (event.key === " ") { space = true; present(); }
    else if (low === "v") { if (!bare) { bare = true; redraw(); } }
    else if (low === "d" && get("live")) { if (!event.repeat) watchChanges(!watching); }
    else if (low === "r") { if (playing) endReplay(); else replay(); }
    else if (event.key === "?") keys.toggleAttribute("hidden");
    else if (event.key === "Escape") {
      if (!menu.hidden) close(true);
      else if (!keys.hidden) keys.hidden = true;
      else if (stroke) give_up();
      else if (playing) endReplay();
      else if (watching) watchChanges(false);
      else if (get("busy")) tell({ do: "cancel" });
      else return false;
    } else if (event.key.startsWith("Arrow")) {
      const [zoom, top, left] = get("view");
      const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      look(zoom, top + (0.1 * down * H) / zoom, left + (0.1 * right * W) / zoom);
    } else return false;
    return true;
  }
  window.addEventListener("keydown", key, { capture: true, signal: off.signal });
  window.addEventListener("keyup", (event) => {
    if (event.key === " " && space) { space = false; present(); }
    if (event.key.toLowerCase() === "v" && bare) { bare = false; redraw(); }
  }, { capture: true, signal: off.signal });
  window.addEventListener("blur", () => { space = false; if (bare) { bare = false; redraw(); } }, on);

  // A toolbar is one stop of the Tab key; arrows go along it.
  const stops = () => [...bar.querySelectorAll("button, input")].filter((one) => !one.disabled && one.offsetParent);
  function arrows(event, at) {
    event.stopPropagation();
    if (menu.contains(at)) {
      const items = [...menu.querySelectorAll("button, input")];
      if (!["ArrowUp", "ArrowDown"].includes(event.key)) return;
      items[(items.indexOf(at) + (event.key === "ArrowDown" ? 1 : items.length - 1)) % items.length].focus();
      event.preventDefault();
    } else if (bar.contains(at) && at.type !== "range" || (bar.contains(at) && ["ArrowUp", "ArrowDown"].includes(event.key))) {
      const items = stops();
      const forth = ["ArrowRight", "ArrowDown"].includes(event.key);
      items[(items.indexOf(at) + (forth ? 1 : items.length - 1)) % items.length].focus();
      event.preventDefault();
    }
  }
  bar.addEventListener("focusin", (event) => {
    for (const one of bar.querySelectorAll("button, input")) one.tabIndex = one === event.target ? 0 : -1;
  }, on);
  bar.querySelectorAll("button, input").forEach((one, k) => { one.tabIndex = k ? -1 : 0; });

  // Menus --------------------------------------------------------------------------------------------------------------
  let opener = null;
  function open(button, ...items) {
    if (opener === button) { close(); return; }
    close();
    opener = button;
    button.setAttribute("aria-expanded", "true");
    menu.replaceChildren(...items);
    // A menu holds nothing but its items; with sliders among them it is a small dialog of buttons.
    const pure = items.every((one) => one.tagName === "BUTTON");
    menu.setAttribute("role", pure ? "menu" : "dialog");
    for (const one of pure ? [] : menu.querySelectorAll("[role^=menuitem]")) {
      if (one.hasAttribute("aria-checked")) one.setAttribute("aria-pressed", one.getAttribute("aria-checked"));
      for (const name of ["role", "aria-checked"]) one.removeAttribute(name);
    }
    menu.hidden = false;
    const [box, at] = [root.getBoundingClientRect(), button.getBoundingClientRect()];
    menu.style.left = `${clamp(at.left - box.left, 4, Math.max(4, box.width - menu.offsetWidth - 4))}px`;
    const below = at.bottom - box.top + 4;
    menu.style.top = `${below + menu.offsetHeight > box.height ? Math.max(4, at.top - box.top - menu.offsetHeight - 4) : below}px`;
    (menu.querySelector("[aria-checked=true], [aria-pressed=true]") ?? menu.querySelector("button, input"))?.focus({ preventScroll: true });
  }
  function close(refocus = false) {
    if (menu.hidden) return;
    menu.hidden = true;
    menu.onclose?.();
    menu.onclose = null;
    opener?.setAttribute("aria-expanded", "false");
    if (refocus) opener?.focus();
    opener = null;
  }
  document.addEventListener("pointerdown", (event) => {
    const path = event.composedPath();
    if (!path.includes(menu) && !path.includes(opener)) close();
  }, { capture: true, signal: off.signal });
  const item = (words, action, { mark = null, checked = null, key = "", disabled = false } = {}) => h("button", { type: "button", disabled,
    role: checked === null ? "menuitem" : "menuitemradio", "aria-checked": checked === null ? null : String(checked),
    onclick: () => { close(true); action(); } }, ...(mark ? [mark] : []), h("span", {}, words), h("kbd", {}, key));
  const line = () => h("hr", {});

  tool.addEventListener("click", () => open(tool, ...Object.entries(TOOLS).map(([name, [word, key]]) =>
    item(word, () => put({ tool: name }), { mark: h("span", { class: "mk-svg", html: svg(name) }), checked: get("tool") === name, key }))), on);
  more.addEventListener("click", () => {
    const band = h("input", { type: "number", min: 1, max: 200, value: clamp(Math.round(Math.max(H, W) / 64), 1, 200), "aria-label": "Width of the border in pixels" });
    const make = h("button", { type: "button", class: "mk-plain-button" }, "Make");
    const tint = h("input", { type: "range", min: 0, max: 1, step: 0.05, value: get("opacity"), "aria-label": "Ink opacity",
      oninput: () => put({ opacity: Number(tint.value) }) });
    const look_at = () => tell({ do: "try band", width: Number(band.value) });
    make.onclick = () => { menu.onclose = null; close(true); tell({ do: "band", width: Number(band.value) }); };
    band.oninput = look_at;
    const bandRow = h("div", { class: "mk-row", title: "Begin anew: the result's border becomes hair, the rest is as the result says" },
      h("span", {}, "Border band"), band, h("span", { class: "mk-unit" }, "px"), make);
    const small = !bar.querySelector(".mk-zoom .mk-icon").offsetParent ? [item("Zoom in", () => zoomBy(1.5), { key: "+" }), item("Zoom out", () => zoomBy(1 / 1.5), { key: "−" }),
      item("Show the whole picture", () => look(1, 0, 0), { key: "0" }), line()] : [];
    open(more, ...small,
      h("div", { class: "mk-row" }, h("span", {}, "Ink opacity"), tint),
      ...(pictures.alpha ? [bandRow] : []), line(),
      item("Open strokes or trimap…", () => { asGuess = false; file.click(); }),
      item("Open trimap as a guess…", () => { asGuess = true; file.click(); }),
      item("Save strokes", () => tell({ do: "save", name: "strokes.json" })),
      item("Save trimap", () => tell({ do: "save", name: "trimap.png" })), line(),
      item("Replay the strokes", replay, { key: "R", disabled: !marks.length }),
      ...(get("live") ? [item("What the last stroke changed", () => watchChanges(!watching), { key: "D" })] : []),
      ...(document.fullscreenEnabled ? [item(fullScreen() ? "Leave full screen" : "Full screen", toggleFullScreen)] : []), line(),
      item("Clear", () => tell({ do: "clear" }), { disabled: !get("count") && !outlines }),
      item("Keys and gestures", () => { keys.hidden = false; }, { key: "?" }));
    if (pictures.alpha) {
      band.onfocus = look_at;
      menu.onclose = () => tell({ do: "untry band" });
    }
  }, on);
  function colours() {
    const own = h("input", { type: "color", value: /^#\w{6}$/.test(get("shown")) ? get("shown") : "#2e7d32", "aria-label": "Another colour",
      oninput: () => put({ shown: own.value }) });
    open(seen.colour, ...SWATCHES.map(([value, word]) => item(word, () => put({ shown: value }), { checked: get("shown") === value,
      mark: h("span", { class: "mk-swatch", style: `background:${value}` }) })),
    h("div", { class: "mk-row" }, h("span", {}, "Another colour"), own));
  }
  let asGuess = false;
  file.addEventListener("change", async () => {
    const chosen = file.files[0];
    file.value = "";
    if (!chosen) return;
    const of = Math.max(1, Math.ceil(chosen.size / PIECE));
    for (let piece = 0; piece < of; piece++) {
      tell({ do: "load", name: chosen.name, piece, of, guess: asGuess }, [await chosen.slice(piece * PIECE, (piece + 1) * PIECE).arrayBuffer()]);
    }
  }, on);

  // Words --------------------------------------------------------------------------------------------------------------
  const probe = h("canvas", { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  function pixel(levels, row, col, unit = levels[0].width / W) {
    probe.clearRect(0, 0, 1, 1);
    probe.drawImage(levels[0], Math.floor(col * unit), Math.floor(row * unit), 1, 1, 0, 0, 1, 1);
    return probe.getImageData(0, 0, 1, 1).data;
  }
  // The trimap's level there: what the last mark on it says, or what is drawn upon.
  function levelAt(row, col) {
    for (const mark of [...marks, ...pending.flatMap((one) => one.marks)].reverse()) {
      if (mark.base === "instead") break;
      if (mark.base || !covers(mark, row, col)) continue;
      if (mark.label === "erase") break;
      return { foreground: 1, background: 0, unknown: 0.5 }[mark.label];
    }
    if (!outlines) return 0.5;
    const { levels, height, width } = outlines;
    return levels[Math.floor((row * height) / H) * width + Math.floor((col * width) / W)] / 2;
  }
  function covers(mark, row, col) {
    if (mark.area) {
      const [top, left, height, width] = mark.box;
      return row >= top && col >= left && row < top + height && col < left + width && pixel([mark.area], row - top, col - left, 1)[3] > 0;
    }
    along(probe, mark.lasso ?? mark.points ?? []);
    if (mark.lasso) return probe.isPointInPath(col + 0.5, row + 0.5, "evenodd");
    nib(probe, mark.radius);
    return probe.isPointInStroke(col + 0.5, row + 0.5);
  }
  let explaining = false;
  function explainPlace() {
    if (explaining) return;
    explaining = true;
    requestAnimationFrame(() => {
      explaining = false;
      if (stroke) return;
      const [row, col] = (cursor ?? [-1, -1]).map(Math.round);
      if (!cursor || row < 0 || col < 0 || row >= H || col >= W || !pictures.photo) { place.textContent = `${W} × ${H}`; return; }
      const [red, green, blue] = pixel(pictures.photo, row, col);
      const alpha = pictures.alpha ? ` · α ${(pixel(pictures.alpha, row, col)[3] / 255).toFixed(2)}` : "";
      place.textContent = `row ${row}, col ${col} · RGB ${red} ${green} ${blue} · trimap ${levelAt(row, col)}${alpha}`;
    });
  }
  function banner(pane, kind, text, ...buttons) {
    pane.banners.querySelector(`.mk-banner-${kind}`)?.remove();
    if (text) pane.banners.append(h("div", { class: `mk-banner mk-banner-${kind}`, role: kind === "alert" ? "alert" : "status" }, h("span", {}, text), ...buttons));
  }
  const act = (word, content) => h("button", { type: "button", class: "mk-plain-button", onclick: () => tell(content) }, word);
  function words() {
    for (const [name, button] of Object.entries(labels)) button.setAttribute("aria-pressed", String(get("label") === name));
    const [word, , helps] = TOOLS[get("tool")];
    toolWord.textContent = word;
    toolIcon.innerHTML = svg(get("tool"));
    tool.title = `${helps} (keys B, L, F, H)`;
    tool.setAttribute("aria-label", `Tool: ${word}`);
    sizes.hidden = get("tool") !== "brush";
    reaches.hidden = get("tool") !== "fill";
    size.value = fromRadius(get("radius"));
    const across = 2 * get("radius");
    sizeText.textContent = `${across < 4 ? Math.round(across * 10) / 10 : Math.round(across)} px`;
    size.setAttribute("aria-valuetext", sizeText.textContent);
    reach.value = get("tolerance");
    reachText.textContent = `± ${Math.round(255 * get("tolerance"))}`;
    undo.disabled = !get("can_undo") || gone;
    redo.disabled = !get("can_redo") || gone;
    zoomText.textContent = `${Math.round(100 * get("view")[0])} %`;
    const shown = get("shown");
    const on_colour = !["alpha", "checkerboard", "overlay"].includes(shown);
    for (const [name, button] of Object.entries(seen)) button.setAttribute("aria-pressed", String(name === "colour" ? on_colour : shown === name));
    swatch.style.background = on_colour && shown !== "picture" ? shown : "";
    swatch.classList.toggle("mk-rainbow", !on_colour || shown === "picture");
    const working = get("busy") && !gone;
    result.figure.classList.toggle("mk-stale", get("stale") && !!pictures.alpha);
    busy.classList.toggle("mk-on", working);
    const share = get("progress");
    const task = get("compiles") ? "compiling (once on this computer)" : get("level") === "preview" && !get("stale") ? "refining" : "solving";
    busyText.textContent = `${get("answered_by")}: ${task}…${share > 0.05 ? ` ${Math.round(100 * share)} %` : ""}`;
    const count = get("count");
    hint.textContent = pictures.alpha || working || playing ? "" : get("notice") || (count ? "" :
      "Paint over some of what to keep, then some of what to remove. The result appears here.");
    const state = gone ? "" : get("stale") && !working ? "older than the strokes" : get("level") === "preview" ? "preview" : "";
    tally.textContent = [`${count} stroke${count === 1 ? "" : "s"}`, state, get("seconds") && get("level") ? `${get("seconds").toFixed(get("seconds") < 10 ? 1 : 0)} s` : ""]
      .filter(Boolean).join(" · ");
    said.textContent = playing ? `Mark ${Math.min(playing.whole + 1, marks.length)} of ${marks.length}` : get("notice");
    note.hidden = !watching;
    told.textContent = !changes ? "Draw a stroke to see what it changes." : changes.most < 0.02 ? "The last stroke changed nothing."
      : "Since the last stroke: red is kept more, blue less.";
    const alert = get("alert");
    banner(photo, "alert", alert, icon("close", "Dismiss", () => put({ alert: "" })));
    const own = gone || !rescued.length ? "" : `${rescued.length} stroke${rescued.length === 1 ? "" : "s"} drawn here before the program stopped`;
    const settle = (again) => () => { if (again) keep(rescued); rescued = []; sessionStorage.removeItem(drawer); words(); };
    banner(photo, "rescued", own, h("button", { type: "button", class: "mk-plain-button", onclick: settle(true) }, "Restore"),
      h("button", { type: "button", class: "mk-plain-button", onclick: settle(false) }, "Dismiss"));
    const offer = gone ? 0 : get("offer");
    banner(photo, "offer", offer ? `${offer} stroke${offer === 1 ? "" : "s"} drawn here before` : "", act("Restore", { do: "restore" }), act("Dismiss", { do: "dismiss" }));
    banner(photo, "gone", stopped ? "The program has stopped. Start it again and open its new address in this tab: your strokes are kept in it." : gone ? `The kernel was restarted or has ended: run the cell again to go on.${get("keeps") ? " Your strokes are kept." : ""}` : "");
    root.classList.toggle("mk-gone", gone);
    explainPlace();
  }

  // What comes from the kernel -----------------------------------------------------------------------------------------
  const order = {};
  async function picture(name, buffer, { level = "", marks: number = 0 }) {
    // Decoding takes a while; a newer picture must not be overtaken by an older one.
    const turn = (order[name] = (order[name] ?? 0) + 1);
    await rest();
    if (turn !== order[name]) return;
    const levels = buffer ? await decoded(buffer) : null;
    await rest();
    if (off.signal.aborted || turn !== order[name]) return;
    for (const old of pictures[name] ?? []) old.close();
    pictures[name] = levels;
    if (name === "alpha") {
      order.colours = (order.colours ?? 0) + 1;
      pictures.colours = null;
      if (levels) remember(levels, number);
      if (watching) tell({ do: "changes" });
    }
    redraw();
    words();
    // For who watches from outside, as tests and benchmarks do: how many answers were shown, and the kind of the last.
    if (name === "alpha") Object.assign(root.dataset, { answers: Number(root.dataset.answers ?? 0) + 1, level });
  }
  // For the replay: small, and of the last strokes only.
  function remember(levels, number) {
    const width = Math.min(480, W);
    const kept = h("canvas", { width, height: Math.max(1, Math.round((width * H) / W)) });
    kept.getContext("2d").drawImage(levels.findLast((one) => one.width >= width) ?? levels[0], 0, 0, kept.width, kept.height);
    answers = [...answers.filter((one) => one.marks < number), { marks: number, picture: kept }].slice(-80);
  }
  let following = Promise.resolve();
  async function hear(content, buffers) {
    answered = true;
    if (content.part === "marks") {
      let used = 0;
      const added = [];
      for (const mark of content.add) {
        if (mark.box) await coloured(mark, buffers[used++]);
        added.push(mark);
      }
      endReplay();
      marks = [...marks.slice(0, content.keep), ...added];
      answers = answers.filter((one) => one.marks <= content.keep);
      if (content.seen !== null) taken(content.seen);
      redrawInk();
    } else if (content.part === "outlines") {
      outlines = null;
      if (content.shape) {
        const stream = new Blob([buffers[0]]).stream().pipeThrough(new DecompressionStream("deflate"));
        const [height, width] = content.shape;
        outlines = { levels: new Uint8Array(await new Response(stream).arrayBuffer()), height, width };
      }
      if (stroke?.marks) rest().then(redraw); else redraw();
    } else if (content.part === "changes") {
      const [more, less] = await Promise.all((buffers ?? []).map(decoded));
      for (const old of [...(changes?.more ?? []), ...(changes?.less ?? [])]) old.close();
      changes = watching && more && less ? { more, less, most: content.most } : null;
      redraw();
      words();
    } else if (content.part === "turn") {
      if (stage.dataset.one === "Photo") stage.dataset.one = "Result";
      arrange();
    } else if (content.part === "file") {
      const link = h("a", { href: URL.createObjectURL(new Blob([buffers[0]])), download: content.name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }
  }
  // The photograph's file tells photographs apart.
  function find(file) {
    const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
    let sum = bytes.length;
    for (let k = 0; k < bytes.length; k += 97) sum = (Math.imul(sum, 31) + bytes[k]) | 0;
    drawer = `mattingkit ${H} ${W} ${sum}`;
    try { rescued = JSON.parse(sessionStorage.getItem(drawer) ?? "[]"); } catch { rescued = []; }
  }
  const heard = (content, buffers) => {
    if (content.part === "photo" && page.kernelId) find(buffers[0]);
    if (["photo", "alpha", "colours", "backdrop"].includes(content.part)) picture(content.part, buffers?.[0], content);
    // One after the other: what has to be decoded first must not be overtaken.
    else following = following.then(() => hear(content, buffers)).catch(console.error);
  };

  const watch = { "msg:custom": heard, comm_live_update: () => lose(), "change:view": seenFrom, "change:opacity": present,
    "change:shown": () => { redraw(); words(); }, "change:live": () => { arrange(); words(); }, "change:width": arrange };
  for (const name of ["label", "radius", "tool", "tolerance"]) watch[`change:${name}`] = () => { present(); words(); };
  for (const name of ["can_undo", "can_redo", "count", "offer", "notice", "alert", "busy", "progress", "compiles", "answered_by", "seconds", "level", "stale"]) watch[`change:${name}`] = words;
  for (const [name, handler] of Object.entries(watch)) model.on(name, handler);

  // The kernel's own ink is an ipycanvas's picture, laid over the photograph. Where the page cannot have it, it draws.
  if (get("canvas")) {
    model.widget_manager?.get_model(get("canvas")).then((child) => {
      if (off.signal.aborted || !child.canvas) return;
      kernelInk = child;
      child.on("new-frame", present);
      child.on("change:width change:height", present);
      redrawInk();
    }, () => {});
  }

  // Marks stay in the browser until the kernel has taken them and had time to save them, for the next pad on the picture.
  const shelf = get("keeps") && `mattingkit ${get("keeps")} `;
  const mine_here = shelf + crypto.getRandomValues(new Uint32Array(2)).join("");
  const kept = new Map();
  function shelve() {
    try {
      if (shelf && kept.size) localStorage.setItem(mine_here, JSON.stringify([...kept.values()].flat()));
      else if (shelf) localStorage.removeItem(mine_here);
    } catch { /* a page without storage, or with a full one */ }
  }
  function unshelve() {
    try {
      const found = Object.keys(localStorage).filter((key) => shelf && key.startsWith(shelf));
      const lost = found.flatMap((key) => JSON.parse(localStorage.getItem(key)));
      for (const key of found) localStorage.removeItem(key);
      return lost;
    } catch { return []; }
  }
  function hold(id, drawn) {
    kept.set(id, drawn);
    shelve();
    setTimeout(() => {
      const waits = pending.some((one) => one.id === id) && !gone;
      if (waits) banner(photo, "wait", "The kernel is busy or gone. Your strokes are kept; if it was restarted, run the cell again.");
    }, 5000);
  }
  function taken(id) {
    pending = pending.filter((one) => one.id !== id);
    if (!pending.length) banner(photo, "wait", "");
    setTimeout(() => { kept.delete(id); shelve(); }, 2000);
  }

  // The page of `mattingkit app` has nobody else who would say that the program has stopped. Twice without an answer, or
  // without its kernel, and strokes go to the tab's own storage, for the next pad on this photograph.
  const page = document.body.dataset.voila === undefined ? {} : JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "{}");
  let missed = 0;
  async function feelPulse() {
    const there = await fetch(`${page.baseUrl ?? "/"}api/kernels/${page.kernelId}`, { cache: "no-store" }).then((answer) => answer.status !== 404, () => false);
    missed = there ? 0 : missed + 1;
    if (missed < 2 || stopped || off.signal.aborted) return;
    stopped = gone = true;
    const drawn = [...marks, ...pending.flatMap((one) => one.marks)].filter((one) => one.points || one.lasso)
      .map(({ label, radius, points, lasso }) => (lasso ? { label, lasso } : { label, radius, points }));
    try { if (drawn.length) sessionStorage.setItem(drawer, JSON.stringify(drawn)); } catch { /* a page without storage, or with a full one */ }
    give_up();
    words();
  }
  const pulse = page.kernelId ? setInterval(feelPulse, 4000) : 0;
  // A kernel that is gone takes this pad's model with it; what is started in its place knows nothing of it. The model is
  // told of a restart; of a kernel that died, or was shut down, JupyterLab's session tells.
  function lose() {
    if (gone) return;
    gone = true;
    give_up();
    words();
  }
  const session = model.widget_manager?.context?.sessionContext;
  const look_after = (_, state) => { if (["restarting", "autorestarting", "terminating", "dead"].includes(state)) lose(); };
  session?.statusChanged?.connect(look_after);
  const changed = (_, kernels) => { if (kernels.oldValue) lose(); };
  session?.kernelChanged?.connect(changed);
  const sizer = new ResizeObserver(() => requestAnimationFrame(arrange));
  sizer.observe(el);
  const watcher = new IntersectionObserver((entries) => { if (entries.some((one) => one.isIntersecting)) arrange(); });
  watcher.observe(el);
  window.addEventListener("resize", arrange, on);
  // Until the kernel answers, or where there is none, the last state as a picture.
  const still = get("still");
  if (still?.byteLength) {
    const shownStill = h("img", { class: "mk-still", alt: "The pad as it was last", src: URL.createObjectURL(new Blob([still], { type: "image/jpeg" })) });
    setTimeout(() => { if (!answered && !off.signal.aborted) root.prepend(shownStill); }, 4000);
    model.on("msg:custom", () => shownStill.remove());
  }
  words();
  arrange();
  tell({ do: "hello", lost: unshelve() });
  return () => {
    off.abort();
    sizer.disconnect();
    watcher.disconnect();
    session?.statusChanged?.disconnect(look_after);
    session?.kernelChanged?.disconnect(changed);
    clearTimeout(sending);
    clearInterval(pulse);
    if (hovered === root) hovered = null;
    for (const [name, handler] of Object.entries(watch)) model.off(name, handler);
  };
}

export default { render };
