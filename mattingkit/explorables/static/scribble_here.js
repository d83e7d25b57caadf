// Scribble here: strokes on a photograph, and closed-form alpha at once, computed in the page. Two workers share the work:
// one answers strokes, the other finishes what the first began, so that no stroke waits. The photograph leaves nothing.
import { OWN_KEYS, bitmap, button, choices, explorable, make, slider } from "./kit.js";
import { ink, labelsOf, rasterise } from "./strokes.js";

// Pixels to work on, and to save.
const LARGEST = 300_000;
const LARGEST_SAVED = 12_000_000;
const BRUSHES = { keep: [1, "Keep"], remove: [0, "Remove"], unsure: [0.5, "Unsure"], erase: [null, "Erase"] };
const HUES = { 1: "#1d8fe0", 0: "#f07a1a", 0.5: "#f5e04a" };
const GROUNDS = { checkerboard: "Transparent", "#ffffff": "White", "#438edb": "Blue #438EDB", "#d9001b": "Red #D9001B",
  "#111111": "Black", "#7fb069": "Green" };
const rgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));
const sign = (value) => (value > 0 ? 1 : -1);

function build({ model, el, on, put, changed }) {
  const get = (name) => model.get(name);
  let [height, width] = get("shape");
  let photo = null; // ImageData
  let original = null; // as it came
  let labels = new Uint8Array(height * width).fill(2);
  let alpha = null;
  let foreground = null;
  let drawn = null; // the strokes that `labels` and the ink show
  let undone = [];
  let stroke = null;
  let loaded = null;

  // --- The pad -----------------------------------------------------------------------------------------------------------
  const under = make("canvas", { className: "mk-x-shot", width, height });
  const inked = make("canvas", { className: "mk-x-ink" });
  const ring = make("div", { className: "mk-x-brush", hidden: true });
  const pad = make("div", { className: "mk-x-pad", tabIndex: 0, role: "application", "aria-roledescription": "drawing pad", ...OWN_KEYS,
    "aria-label": "Photograph to scribble on. Arrow keys move the brush, the space bar puts it down and lifts it, "
      + "1 to 4 choose keep, remove, unsure and erase, square brackets its size, Control Z takes back." }, under, inked, ring);
  const shown = make("canvas", { className: "mk-x-shot mk-x-result", width, height, role: "img", "aria-label": "Result" });
  const busy = make("div", { className: "mk-x-busy", hidden: true });
  const result = make("div", { className: "mk-x-out" }, shown, busy);

  function shape() {
    for (const one of [under, shown]) Object.assign(one, { width, height });
    el.style.setProperty("--ratio", `${width} / ${height}`);
    el.style.setProperty("--wide", width / height);
    sharpen();
  }
  function sharpen() {
    const times = Math.max(1, (pad.clientWidth * devicePixelRatio) / width);
    Object.assign(inked, { width: Math.round(width * times), height: Math.round(height * times) });
    inked.getContext("2d").setTransform(times, 0, 0, times, 0, 0);
    for (const one of [...get("marks"), ...(stroke ? [stroke] : [])]) ink(inked.getContext("2d"), one, HUES);
  }
  const sizes = new ResizeObserver(() => sharpen());
  sizes.observe(pad);
  on.signal.addEventListener("abort", () => sizes.disconnect());

  // --- The workers -------------------------------------------------------------------------------------------------------
  const start = () => new Worker(new URL("./solver.js", import.meta.url), { type: "module" });
  const quick = { worker: start(), busy: false, next: null };
  const slow = { worker: start(), busy: false, next: null };
  on.signal.addEventListener("abort", () => { quick.worker.terminate(); slow.worker.terminate(); });
  let version = 0; // counts trimaps: answers to older ones are not shown over newer ones
  let answered = 0;
  let released = 0;
  let stroked = false;

  /** Ask a worker; of the requests that wait for it only the last is kept. */
  function ask(who, request) {
    if (who.busy) {
      // What a person asked for is not put off by what would only be finer.
      if (who.next?.task !== "enlarge" || request.task !== "finish") who.next = request;
      return;
    }
    who.busy = true;
    who.worker.postMessage({ ...request, labels: request.labels.slice() });
  }
  for (const who of [quick, slow]) {
    who.worker.onmessage = ({ data }) => {
      if (data.ready) return;
      if (data.done) {
        const { next } = who;
        Object.assign(who, { busy: false, next: null });
        if (next) ask(who, next);
        else if (!quick.busy && !slow.busy) pad.removeAttribute("aria-busy");
      }
      hear(data);
    };
    who.worker.onerror = (event) => { note.textContent = `The solver failed: ${event.message}`; };
  }

  function hear({ id, task, alpha: values, foreground: colors, frames, full, fullHeight, fullWidth }) {
    if (full) {
      hand(full, fullHeight, fullWidth);
      return;
    }
    if (frames) {
      play(frames);
      return;
    }
    if (id < answered) return;
    answered = id;
    if (colors) foreground = colors;
    if (values !== undefined) {
      alpha = values;
      if (!values) foreground = null;
    }
    paint();
    if (task === "answer") {
      if (values && id === version) {
        const waited = performance.now() - released;
        // The first answer waits for the picture's preparation as well.
        if (stroked) note.textContent = `α in ${Math.round(waited)} ms, for ${(width * height / 1e6).toFixed(2)} million pixels. Nothing left this page.`;
        put({ milliseconds: waited });
        pad.setAttribute("aria-busy", "true");
        ask(slow, { id, labels, task: "finish" });
      } else if (!values) note.textContent = "One stroke on what to keep, one on what to remove.";
    }
    if (task === "finish" && values && id === version) put({ alpha_levels: new DataView(values.slice().buffer) });
  }

  function solve(task) {
    version += 1;
    if (task === "answer") {
      released = performance.now();
      pad.setAttribute("aria-busy", "true");
    }
    ask(quick, { id: version, labels, task });
  }

  // --- What is seen ------------------------------------------------------------------------------------------------------
  function paint() {
    if (!photo) return;
    const pen = shown.getContext("2d");
    const out = new ImageData(width, height);
    const to = out.data;
    const view = get("view");
    const ground = get("background");
    const back = ground === "checkerboard" ? null : rgb(ground);
    const cell = Math.max(4, Math.round(width / 40));
    const front = foreground ?? photo.data;
    const stride = foreground ? 3 : 4;
    for (let i = 0, y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1, i += 1) {
        const a = alpha ? alpha[i] / 255 : view === "alpha" ? 0.5 : 1;
        const checks = (Math.floor(x / cell) + Math.floor(y / cell)) % 2 ? 205 : 245;
        for (let c = 0; c < 3; c += 1) {
          to[4 * i + c] = view === "alpha" ? 255 * a : a * front[stride * i + c] + (1 - a) * (back ? back[c] : checks);
        }
        to[4 * i + 3] = 255;
      }
    }
    pen.putImageData(out, 0, 0);
    shown.setAttribute("aria-label", view === "alpha" ? "The alpha: white is kept, black removed" : `The cut-out on ${GROUNDS[ground] ?? ground}`);
  }

  // Watching: the iterates of all levels, to play and to step through.
  let film = null;
  let timer = 0;
  const reel = slider({ label: "step", min: 0, max: 1, step: 1, show: () => "", said: () => film ? said(film[frame]) : "",
    input: (value) => { stop(); seek(value); } }, on);
  const again = button("Play", () => (timer ? stop() : run()), on);
  const close = button("Done", () => { stop(); film = null; strip.hidden = true; paint(); }, on);
  const caption = make("span", { className: "mk-x-note" });
  const strip = make("div", { className: "mk-x-strip", hidden: true }, make("div", { className: "mk-x-row" }, again, close, caption), reel.node);
  let frame = 0;
  const said = ({ scale, step }) => `${scale} times smaller, step ${step}`;
  function seek(value) {
    frame = value;
    const { height: h, width: w, alpha: values } = film[frame];
    const small = new ImageData(w, h);
    for (let i = 0; i < values.length; i += 1) small.data.set([values[i], values[i], values[i], 255], 4 * i);
    const canvas = make("canvas", { width: w, height: h });
    canvas.getContext("2d").putImageData(small, 0, 0);
    const pen = shown.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(canvas, 0, 0, w, h, 0, 0, film[frame].scale * w, film[frame].scale * h);
    caption.textContent = `${said(film[frame])} of conjugate gradients`;
    reel.put(frame);
  }
  function stop() {
    clearTimeout(timer);
    timer = 0;
    again.textContent = "Play";
  }
  function run() {
    again.textContent = "Pause";
    if (frame >= film.length - 1) frame = -1;
    const next = () => {
      seek(frame + 1);
      const last = film[frame + 1] && film[frame + 1].scale !== film[frame].scale;
      if (frame < film.length - 1) timer = setTimeout(next, last ? 500 : 110);
      else stop();
    };
    next();
  }
  function play(frames) {
    busy.hidden = true;
    film = frames;
    reel.range.max = film.length - 1;
    strip.hidden = false;
    seek(0);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) stop();
    else run();
  }

  // --- Strokes -----------------------------------------------------------------------------------------------------------
  const clean = () => { stop(); film = null; strip.hidden = true; busy.hidden = true; };
  const place = (event) => {
    const box = pad.getBoundingClientRect();
    return [((event.clientY - box.top) / box.height) * height - 0.5, ((event.clientX - box.left) / box.width) * width - 0.5];
  };
  function begin(point, erase) {
    if (!photo) return;
    clean();
    const label = erase ? null : BRUSHES[get("brush")][0];
    stroke = { points: [point], label, radius: get("radius") };
    trace(0);
  }
  function extend(point) {
    const last = stroke.points[stroke.points.length - 1];
    if (Math.hypot(point[0] - last[0], point[1] - last[1]) < 0.7) return;
    stroke.points.push(point.map((value) => Math.round(100 * value) / 100));
    trace(stroke.points.length - 1);
  }
  function trace(first) {
    rasterise(labels, height, width, stroke, first);
    ink(inked.getContext("2d"), stroke, HUES, first);
    solve("preview");
  }
  function finish() {
    if (!stroke) return;
    const done = stroke;
    stroke = null;
    undone = [];
    drawn = [...get("marks"), done];
    put({ marks: drawn });
    stroked = true;
    solve("answer");
  }
  function redraw() {
    labels = labelsOf(get("marks"), height, width);
    drawn = get("marks");
    sharpen();
    solve("answer");
  }
  const undo = () => {
    const marks = get("marks");
    if (!marks.length) return;
    undone.push(marks[marks.length - 1]);
    clean();
    put({ marks: marks.slice(0, -1) });
  };
  const redo = () => { if (undone.length) { clean(); put({ marks: [...get("marks"), undone.pop()] }); } };

  const ringAt = ([row, col]) => {
    const k = pad.clientWidth / width;
    const size = Math.max(6, 2 * get("radius") * k);
    Object.assign(ring.style, { width: `${size}px`, height: `${size}px`,
      transform: `translate(${(col + 0.5) * k - size / 2}px, ${(row + 0.5) * k - size / 2}px)` });
    ring.dataset.brush = get("brush");
    ring.hidden = false;
  };
  const fingers = new Set();
  pad.addEventListener("pointerdown", (event) => {
    fingers.add(event.pointerId);
    if (event.button && event.pointerType === "mouse") return;
    if (fingers.size > 1) {
      // Two fingers zoom the page; what the first one drew is taken back.
      if (stroke) { stroke = null; redraw(); }
      return;
    }
    event.preventDefault();
    pad.focus({ preventScroll: true });
    pad.setPointerCapture(event.pointerId);
    begin(place(event), event.pointerType === "pen" && event.buttons === 32);
  }, on);
  pad.addEventListener("pointermove", (event) => {
    ringAt(place(event));
    if (!stroke || !fingers.has(event.pointerId)) return;
    for (const one of event.getCoalescedEvents?.() ?? [event]) extend(place(one));
    extend(place(event));
  }, on);
  const lift = (event) => {
    if (stroke && event.type === "pointerup" && fingers.has(event.pointerId)) extend(place(event));
    fingers.delete(event.pointerId);
    if (!fingers.size) finish();
  };
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) pad.addEventListener(name, lift, on);
  pad.addEventListener("pointerleave", () => { if (document.activeElement !== pad) ring.hidden = true; }, on);
  pad.addEventListener("contextmenu", (event) => event.preventDefault(), on);

  // The same by keys: a brush that the arrows move, and the space bar puts down.
  let cursor = [height / 2, width / 2];
  pad.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const command = event.ctrlKey || event.metaKey;
    if (command && "zy".includes(event.key.toLowerCase())) {
      (event.key.toLowerCase() === "y" || event.shiftKey ? redo : undo)();
    } else if (command || event.altKey) return;
    else if (way) {
      const step = Math.max(width, height) / (event.shiftKey ? 20 : 80);
      cursor = [Math.min(height - 1, Math.max(0, cursor[0] + step * way[0])), Math.min(width - 1, Math.max(0, cursor[1] + step * way[1]))];
      ringAt(cursor);
      if (stroke) extend(cursor);
    } else if (event.key === " " || event.key === "Enter") {
      ringAt(cursor);
      if (stroke) finish();
      else begin([...cursor]);
      told.textContent = stroke ? "brush down" : "brush up";
    } else if ("1234".includes(event.key)) {
      put({ brush: Object.keys(BRUSHES)[event.key - 1] });
      ringAt(cursor);
    } else if (event.key === "[" || event.key === "]") {
      put({ radius: Math.min(60, Math.max(1, get("radius") * 1.2 ** sign(event.key === "]" ? 1 : -1))) });
      ringAt(cursor);
    } else if (event.key === "Escape" && stroke) {
      stroke = null;
      redraw();
    } else return;
    event.preventDefault();
  }, on);
  pad.addEventListener("focus", () => { if (pad.matches(":focus-visible")) ringAt(cursor); }, on);
  pad.addEventListener("blur", () => { ring.hidden = true; finish(); }, on);

  const shrunk = (picture, times) => {
    const canvas = make("canvas", { width: Math.round(times * picture.width), height: Math.round(times * picture.height) });
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return canvas;
  };

  // --- Photographs -------------------------------------------------------------------------------------------------------
  function load(picture, first) {
    const less = Math.min(1, Math.sqrt(LARGEST_SAVED / (picture.width * picture.height)));
    original = less < 1 ? shrunk(picture, less) : picture;
    const shrink = Math.min(1, Math.sqrt(LARGEST / (picture.width * picture.height)));
    width = Math.max(3, Math.round(picture.width * shrink));
    height = Math.max(3, Math.round(picture.height * shrink));
    cursor = [height / 2, width / 2];
    [alpha, foreground, stroke] = [null, null, null];
    clean();
    shape();
    const pen = under.getContext("2d", { willReadFrequently: true });
    pen.imageSmoothingQuality = "high";
    pen.drawImage(picture, 0, 0, width, height);
    photo = pen.getImageData(0, 0, width, height);
    for (const who of [quick, slow]) {
      who.next = null;
      who.worker.postMessage({ picture: photo.data, height, width });
    }
    version += 1;
    answered = version;
    put({ shape: [height, width], ...(first ? {} : { marks: [] }) });
    undone = [];
    paint();
    redraw();
  }
  async function open(file) {
    if (!file) return;
    try {
      load(await createImageBitmap(file), false);
      note.textContent = "Your photo stays in this page. One stroke on what to keep, one on what to remove.";
    } catch {
      note.textContent = `${file.name || "This file"} is no picture that this browser can read.`;
    }
  }
  const chooser = make("input", { type: "file", accept: "image/*", hidden: true });
  chooser.addEventListener("change", () => { open(chooser.files[0]); chooser.value = ""; }, on);
  el.addEventListener("dragover", (event) => { event.preventDefault(); el.classList.add("mk-x-drop"); }, on);
  el.addEventListener("dragleave", () => el.classList.remove("mk-x-drop"), on);
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    el.classList.remove("mk-x-drop");
    open([...event.dataTransfer.files].find((file) => file.type.startsWith("image/")) ?? event.dataTransfer.files[0]);
  }, on);
  el.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((one) => one.type.startsWith("image/"));
    if (file) { event.preventDefault(); open(file); }
  }, on);

  // A cut-out is saved as large as the photograph came; the second worker applies the linear model to it.
  function save() {
    const { width: fullWidth, height: fullHeight } = original;
    const canvas = make("canvas", { width: fullWidth, height: fullHeight });
    const pen = canvas.getContext("2d");
    pen.drawImage(original, 0, 0, fullWidth, fullHeight);
    const full = pen.getImageData(0, 0, fullWidth, fullHeight).data;
    busy.hidden = false;
    busy.textContent = `Cutting out ${fullWidth} × ${fullHeight} pixels…`;
    pad.setAttribute("aria-busy", "true");
    // Whatever else waits for this worker would only refine the picture on the screen.
    ask(slow, { id: version, labels, task: "enlarge", full, fullHeight, fullWidth });
  }
  async function hand(full, fullHeight, fullWidth) {
    busy.hidden = true;
    const cut = make("canvas", { width: fullWidth, height: fullHeight });
    cut.getContext("2d").putImageData(new ImageData(full, fullWidth, fullHeight), 0, 0);
    let shot = cut;
    if (get("background") !== "checkerboard") {
      shot = make("canvas", { width: fullWidth, height: fullHeight });
      const pen = shot.getContext("2d");
      pen.fillStyle = get("background");
      pen.fillRect(0, 0, fullWidth, fullHeight);
      pen.drawImage(cut, 0, 0);
    }
    const blob = await new Promise((done) => { shot.toBlob(done, "image/png"); });
    const link = make("a", { href: URL.createObjectURL(blob), download: "cutout.png" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  }

  // --- Controls ----------------------------------------------------------------------------------------------------------
  const brush = choices({ label: "Brush", options: Object.fromEntries(Object.entries(BRUSHES).map(([key, [, text]]) => [key, text])),
    input: (name) => put({ brush: name }) }, on);
  brush.node.classList.add("mk-x-brushes");
  const size = slider({ label: "Size", min: 1, max: 60, step: 1, show: (v) => String(Math.round(v)), input: (radius) => put({ radius }) }, on);
  const view = choices({ label: "Result", options: { cutout: "Cut-out", alpha: "Alpha" }, input: (name) => put({ view: name }) }, on);
  const grounds = make("div", { className: "mk-x-grounds", role: "group", "aria-label": "Background" });
  const swatches = Object.entries(GROUNDS).map(([key, text]) => button("", () => put({ background: key, view: "cutout" }), on,
    { className: `mk-x-ground ${key === "checkerboard" ? "mk-x-checks" : ""}`, "aria-label": text, title: text,
      style: key === "checkerboard" ? "" : `background:${key}`, "data-ground": key }));
  const own = make("input", { type: "color", value: "#8a4fff", "aria-label": "Another background colour", title: "Another colour" });
  own.addEventListener("input", () => put({ background: own.value, view: "cutout" }), on);
  grounds.append(...swatches, own);
  const undoing = button("Undo", undo, on);
  const redoing = button("Redo", redo, on);
  const clearing = button("Clear", () => { undone = []; clean(); put({ marks: [] }); }, on);
  const watching = button("Watch it solve", () => {
    busy.hidden = false;
    busy.textContent = "Solving…";
    version += 1;
    ask(quick, { id: version, labels, task: "watch" });
  }, on);
  const saving = button("Save PNG", save, on, { className: "mk-x-main" });
  const note = make("span", { className: "mk-x-note" });
  const told = make("span", { className: "mk-x-heard", role: "status" });
  el.classList.add("mk-x-scribble");
  el.append(
    make("div", { className: "mk-x-row" }, brush.node, make("div", { className: "mk-x-size" }, size.node),
      undoing, redoing, clearing),
    make("div", { className: "mk-x-pads" }, pad, result),
    strip,
    make("div", { className: "mk-x-row" }, view.node, grounds, make("span", { className: "mk-x-gap" }),
      button("Your photo…", () => chooser.click(), on), watching, saving, chooser),
    make("div", { className: "mk-x-row", role: "status" }, note), told);
  note.textContent = "Scribble, or drop a photograph here: it never leaves this page.";
  shape();
  bitmap(get("photo")).then((picture) => { if (!on.signal.aborted) load(picture, true); changed(); });
  pad.setAttribute("aria-busy", "true");

  let before = {};
  return () => {
    brush.put(get("brush"));
    size.put(get("radius"));
    view.put(get("view"));
    const marks = get("marks");
    undoing.disabled = !marks.length;
    redoing.disabled = !undone.length;
    clearing.disabled = !marks.length;
    const decided = marks.some((one) => one.label === 1) && marks.some((one) => one.label === 0);
    watching.disabled = !decided;
    saving.disabled = !decided;
    for (const one of swatches) one.setAttribute("aria-pressed", String(one.dataset.ground === get("background")));
    if (loaded !== get("photo")) {
      const other = loaded !== null;
      loaded = get("photo");
      if (other) bitmap(loaded).then((picture) => load(picture, true));
    }
    if (photo && !stroke && JSON.stringify(drawn) !== JSON.stringify(marks)) redraw();
    const now = { view: get("view"), background: get("background") };
    if (photo && !film && JSON.stringify(now) !== JSON.stringify(before)) paint();
    before = now;
  };
}

export default explorable(build);
