// Any number of alphas of one picture, side by side: one zoom and one pan for all, values under the cursor in all.
// Each pane's picture is made once for a view and a background; zooming and panning only draws it, so it stays smooth.
// Nothing here asks Python for anything but the foreground's colours: with still(state) in place of a model, a page
// without a kernel shows the same.
const BACKGROUNDS = { checkerboard: "Checkerboard", black: "Black", white: "White", "#438edb": "Blue #438EDB",
  "#d9001b": "Red #D9001B", color: "Colour…", picture: "Picture" };
const VIEWS = { alpha: "Alpha", cutout: "Cut-out", foreground: "Foreground", difference: "Difference", image: "Image" };
const MODES = { grid: "Grid", wipe: "Wipe", blink: "Blink" };

const make = (tag, properties = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("aria-") || key === "role" || key.startsWith("data-")) node.setAttribute(key, value);
    else node[key] = value;
  }
  node.append(...children);
  return node;
};

// A picture file: its bytes, or an address (in a page that has no kernel).
async function blobOf(file) {
  return typeof file === "string" ? (await fetch(file)).blob() : new Blob([file]);
}
async function pixels(file, [H, W]) {
  if (!file || !(file.byteLength || file.length)) return null;
  const bitmap = await createImageBitmap(await blobOf(file), { colorSpaceConversion: "none" });
  const canvas = new OffscreenCanvas(W, H);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0, W, H);
  return context.getImageData(0, 0, W, H);
}

// A model without a kernel: what a page knows, kept in the page alone.
export function still(state) {
  const values = { ...state };
  const heard = new Map();
  const of = (name) => heard.get(name) ?? heard.set(name, new Set()).get(name);
  return {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; for (const act of [...of(`change:${name}`)]) act(); },
    save_changes: () => {},
    on: (name, act) => of(name).add(act),
    off: (name, act) => of(name).delete(act),
  };
}

function save(name, blob) {
  const link = make("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function render({ model, el }) {
  const off = new AbortController();
  const on = { signal: off.signal };
  const shape = model.get("shape");
  const [H, W] = shape;
  el.classList.add("mk-compare");
  let data = { photo: null, trimap: null, truth: null, picture: null, alphas: [], foregrounds: [] };
  let panes = [];
  let made = new Map();
  let backdrop = null;
  let cursor = null;
  let phase = 0;
  let timer = null;
  let queued = false;
  const get = (name) => model.get(name);
  const set = (name, value) => { model.set(name, value); model.save_changes(); };

  // Controls, all native and labelled -----------------------------------------------------------------------------------
  const choose = (trait, label, options) => {
    const select = make("select", { "aria-label": label });
    const fill = (entries) => {
      select.replaceChildren(...Object.entries(entries).map(([value, text]) => make("option", { value, textContent: text })));
      select.value = get(trait);
    };
    fill(options);
    select.addEventListener("change", () => set(trait, select.value), on);
    return { node: make("label", {}, make("span", { textContent: label }), select), select, fill };
  };
  const button = (text, title, act) => {
    const node = make("button", { type: "button", textContent: text, title });
    node.addEventListener("click", act, on);
    return node;
  };
  const modes = Object.entries(MODES).map(([name, text]) => button(text, `${text} view`, () => set("mode", name)));
  const view = choose("view", "Show", VIEWS);
  const background = choose("background", "on", BACKGROUNDS);
  const color = make("input", { type: "color", value: get("color"), "aria-label": "Background colour" });
  color.addEventListener("input", () => set("color", color.value), on);
  const reference = choose("reference", "from", {});
  const first = choose("first", "Left", {});
  const second = choose("second", "Right", {});
  const wipe = make("input", { type: "range", min: 0, max: 1000, value: 500, "aria-label": "Wipe position" });
  wipe.addEventListener("input", () => set("divider", wipe.value / 1000), on);
  const wipeLabel = make("label", {}, make("span", { textContent: "Wipe" }), wipe);
  const check = (trait, text, title) => {
    const box = make("input", { type: "checkbox", checked: get(trait) });
    box.addEventListener("change", () => set(trait, box.checked), on);
    return { node: make("label", { title, className: "mk-check" }, box, make("span", { textContent: text })), box };
  };
  const unknown = check("only_unknown", "only where unknown", "Leave out what the trimap says");
  const loupe = button("Magnify", "Enlarge what is under the cursor, in every pane (key M)", () => set("magnifier", !get("magnifier")));
  const pause = button("Pause", "Stop or go on blinking", () => set("blinking", !get("blinking")));
  const zoomOut = button("−", "Zoom out", () => zoomBy(1 / 1.5));
  const zoomIn = button("+", "Zoom in", () => zoomBy(1.5));
  const fit = button("Fit", "Show the whole picture", () => look(1, 0, 0));
  const pair = make("span", { className: "mk-pair" }, first.node, second.node, wipeLabel, pause);
  const bar = make("div", { className: "mk-compare-bar" },
    make("span", { className: "mk-seg", role: "group", "aria-label": "Arrangement" }, ...modes),
    view.node, background.node, color, reference.node, unknown.node, pair,
    make("span", { className: "mk-seg", role: "group", "aria-label": "Zoom" }, zoomOut, zoomIn, fit, loupe),
    make("span", { className: "mk-seg", role: "group", "aria-label": "Save" },
      button("Save figure", "All panes as they are shown, with their captions, as one PNG file", saveFigure),
      button("Save table", "Methods, errors and seconds as a CSV file", saveTable)));
  const grid = make("div", { className: "mk-panes" });
  const legend = make("span", { className: "mk-legend" });
  const note = make("span", { className: "mk-note" });
  const foot = make("div", { className: "mk-foot" }, legend, note);
  const table = make("table", { className: "mk-table" });
  const problem = make("div", { className: "mk-failed", role: "alert" });
  el.append(bar, problem, grid, foot, make("div", { className: "mk-scroll" }, table));

  // Keys meant for this stay here: a notebook would act on them too. The page's own menu still opens.
  el.addEventListener("contextmenu", (event) => event.stopPropagation(), on);
  el.addEventListener("keydown", (event) => { if (!event.ctrlKey && !event.metaKey && event.key !== "Tab") event.stopPropagation(); }, on);

  const entries = () => get("entries");
  const title = (name) => entries().find((one) => one.name === name)?.title ?? (name === "truth" ? "Ground truth" : name);
  const usable = () => entries().map((one, k) => ({ ...one, k })).filter((one) => data.alphas[one.k]);
  const alphaOf = (name) => (name === "truth" ? data.truth : data.alphas[entries().findIndex((one) => one.name === name)]);

  function arrange() {
    const names = Object.fromEntries(entries().filter((one) => !one.error).map((one) => [one.name, one.title]));
    reference.fill({ ...(get("has_truth") ? { truth: "Ground truth" } : {}), ...names });
    const all = { ...names, ...(get("has_truth") ? { truth: "Ground truth" } : {}) };
    first.fill(all);
    second.fill(all);
    const mode = get("mode");
    modes.forEach((node, k) => node.setAttribute("aria-pressed", String(Object.keys(MODES)[k] === mode)));
    for (const one of [view, background]) one.select.value = get(one === view ? "view" : "background");
    const show = (node, wanted) => { node.style.display = wanted ? "" : "none"; };
    show(background.node, get("view") === "cutout");
    show(color, get("view") === "cutout" && get("background") === "color");
    show(reference.node, get("view") === "difference");
    show(unknown.node, get("view") === "difference" && get("has_trimap"));
    unknown.box.checked = get("only_unknown");
    loupe.setAttribute("aria-pressed", String(get("magnifier")));
    show(pair, mode !== "grid");
    show(wipeLabel, mode === "wipe");
    show(pause, mode === "blink");
    pause.textContent = get("blinking") ? "Pause" : "Blink";
    wipe.value = Math.round(get("divider") * 1000);

    let wanted;
    if (mode === "grid") {
      wanted = entries().map((one) => ({ name: one.name, title: one.title, error: one.error }));
      if (get("has_truth")) wanted.push({ name: "truth", title: "Ground truth" });
      if (get("has_trimap")) wanted.unshift({ name: "trimap", title: "Trimap" });
      wanted.unshift({ name: "image", title: "Image" });
    } else wanted = [{ name: "pair", title: "" }];
    const key = JSON.stringify([mode, wanted]);
    if (key !== grid.dataset.key) {
      grid.dataset.key = key;
      // A pane taken away from under the pointer never hears it leave.
      cursor = null;
      grid.className = `mk-panes mk-${mode}`;
      panes = wanted.map(makePane);
      grid.replaceChildren(...panes.map((pane) => pane.figure));
    }
    panes.forEach(refit);
    rebuild();
    mark();
    explain();
    values();
    clock();
    tabulate();
    resize();
  }
  // What the colours mean; it stays while the cursor moves.
  function explain() {
    const kind = get("view");
    const bar = (name, low, high) => [make("span", { textContent: low }), make("span", { className: `mk-scale mk-${name}`, role: "presentation" }), make("span", { textContent: high })];
    if (kind === "difference") legend.replaceChildren(...bar("signed", "−1 lower", `+1 higher than ${title(get("reference"))}`));
    else if (kind === "alpha") legend.replaceChildren(...bar("gray", "α 0", "1"));
    else legend.replaceChildren();
  }

  function makePane(one) {
    const canvas = make("canvas", { tabIndex: 0, role: "img", "aria-label": `${one.title || "Comparison"}; arrows pan, plus and minus zoom, M magnifies` });
    const value = make("span", { className: "mk-value" });
    const caption = make("figcaption", {}, make("span", { textContent: one.title, className: "mk-title" }), value);
    const stage = make("div", { className: "mk-stage" }, canvas);
    const figure = make("figure", {}, stage, caption);
    const pane = { ...one, figure, canvas, caption, value, tags: [], uses: [] };
    if (one.name === "pair") {
      pane.tags = ["left", "right"].map((side) => make("span", { className: `mk-tag mk-${side}` }));
      stage.append(...pane.tags);
      // Beneath each side what can be done with its alpha, the values between them.
      pane.sides = [make("span", { className: "mk-side" }), make("span", { className: "mk-side" })];
      caption.replaceChildren(pane.sides[0], pane.value, pane.sides[1]);
    }
    if (one.error) stage.replaceChildren(make("div", { className: "mk-failed", role: "alert", textContent: one.error }));
    else if (one.name !== "image" && one.name !== "trimap") figure.setAttribute("data-alpha", one.name);
    const entry = entries().find((other) => other.name === one.name);
    if (entry && !one.error) {
      figure.append(make("div", { className: "mk-figures" }, make("span", { textContent: inWords(entry) }), ...offers(pane, entry)));
    }
    listen(pane);
    return pane;
  }
  // What can be done with one alpha.
  function offers(pane, entry) {
    const keep = button("Save", `Save the alpha of ${entry.title} as a PNG file`, async () => save(`${entry.name}_alpha.png`, await blobOf(get("alphas")[entries().findIndex((one) => one.name === entry.name)])));
    const use = button("Use this", `Go on with the alpha of ${entry.title}`, () => set("chosen", entry.name));
    use.dataset.name = entry.name;
    keep.className = use.className = "mk-small";
    pane.uses.push(use);
    return [use, keep];
  }
  // Beneath a wipe, each side's own.
  function refit(pane) {
    const now = JSON.stringify([get("first"), get("second")]);
    if (!pane.sides || pane.offered === now) return;
    pane.offered = now;
    pane.uses = [];
    pane.sides.forEach((side, k) => {
      const entry = entries().find((one) => one.name === get(k ? "second" : "first"));
      side.replaceChildren(...(entry && !entry.error ? [make("span", { textContent: entry.title, className: "mk-title" }), ...offers(pane, entry)] : []));
    });
  }
  const inWords = (entry) => [entry.seconds == null ? "" : `${entry.seconds.toFixed(2)} s`,
    ...Object.entries(entry.scores ?? {}).slice(0, 1).map(([name, value]) => `${name} ${value.toPrecision(3)}`)].filter(Boolean).join(" · ");
  // Which button says that its alpha is the one in use.
  function mark() {
    for (const use of panes.flatMap((pane) => pane.uses)) {
      const chosen = get("chosen") === use.dataset.name;
      use.style.display = get("usable") ? "" : "none";
      use.textContent = chosen ? "In use" : "Use this";
      use.setAttribute("aria-pressed", String(chosen));
    }
    problem.textContent = get("problem");
    problem.style.display = get("problem") ? "" : "none";
  }

  // Pictures --------------------------------------------------------------------------------------------------------------
  function picture(name) {
    if (name === "image") return canvasOf(data.photo);
    if (name === "trimap") return canvasOf(data.trimap);
    const alpha = alphaOf(name);
    if (!alpha) return null;
    const kind = get("view");
    if (kind === "alpha") return canvasOf(alpha);
    if (kind === "image") return canvasOf(data.photo);
    if (kind === "difference") return name === get("reference") ? canvasOf(alpha) : difference(alpha, alphaOf(get("reference")));
    const at = entries().findIndex((one) => one.name === name);
    const colours = data.foregrounds[at] ?? data.photo;
    if (kind === "foreground") return canvasOf(colours);
    const out = new ImageData(W, H);
    for (let i = 0; i < out.data.length; i += 4) {
      out.data[i] = colours.data[i]; out.data[i + 1] = colours.data[i + 1]; out.data[i + 2] = colours.data[i + 2];
      out.data[i + 3] = alpha.data[i];
    }
    return canvasOf(out);
  }
  function canvasOf(image) {
    if (!image) return null;
    const canvas = new OffscreenCanvas(W, H);
    canvas.getContext("2d").putImageData(image, 0, 0);
    return { levels: [canvas] };
  }
  // Each level has half the size of the one before: a pane of a few hundred pixels need not read millions a frame.
  function levelFor(source, scale) {
    let k = 0;
    while (scale * 2 ** (k + 1) <= 1) k += 1;
    while (source.levels.length <= k) {
      const finer = source.levels.at(-1);
      const coarser = new OffscreenCanvas(Math.max(1, Math.round(finer.width / 2)), Math.max(1, Math.round(finer.height / 2)));
      const context = coarser.getContext("2d");
      context.imageSmoothingQuality = "medium";
      context.drawImage(finer, 0, 0, coarser.width, coarser.height);
      source.levels.push(coarser);
    }
    return source.levels[k];
  }
  // Blue where this alpha is lower than the reference, red where it is higher, white where they agree.
  function difference(alpha, other) {
    if (!other) return canvasOf(alpha);
    const out = new ImageData(W, H);
    const trimap = get("only_unknown") ? data.trimap : null;
    for (let i = 0; i < out.data.length; i += 4) {
      if (trimap && (trimap.data[i] < 26 || trimap.data[i] > 229)) {
        out.data[i] = out.data[i + 1] = out.data[i + 2] = 208; out.data[i + 3] = 255;
        continue;
      }
      const d = alpha.data[i] - other.data[i];
      const fade = 255 - Math.min(255, 2 * Math.abs(d));
      out.data[i] = d < 0 ? fade : 255; out.data[i + 1] = fade; out.data[i + 2] = d > 0 ? fade : 255; out.data[i + 3] = 255;
    }
    return canvasOf(out);
  }
  function rebuild() {
    if (!data.photo) return;
    // What is there already is not made again; what no pane shows any more is let go.
    const before = made;
    made = new Map();
    const once = (name) => {
      const key = [name, get("view"), get("view") === "difference" ? `${get("reference")} ${get("only_unknown")}` : ""].join("|");
      if (!made.has(key)) made.set(key, before.get(key) ?? picture(name));
      return made.get(key);
    };
    for (const pane of panes) {
      if (pane.name === "pair") pane.pictures = [once(get("first")), once(get("second"))];
      else pane.pictures = [once(pane.name)];
    }
    paint();
  }

  function scaleOf(canvas) { return (canvas.width / W) * get("zoom")[0]; }
  function paint() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; for (const pane of panes) draw(pane); });
  }
  function draw(pane, detached = null) {
    const { canvas } = pane;
    if (!pane.pictures || !(canvas.isConnected || detached) || !canvas.width) return;
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const [, top, left] = get("zoom");
    const scale = scaleOf(canvas);
    behind(context, canvas, pane, scale, top, left);
    const blit = (source) => source && lay(context, source, scale, top, left);
    if (pane.name !== "pair") { blit(pane.pictures[0]); }
    else if (get("mode") === "blink") {
      blit(pane.pictures[phase]);
      tag(pane, [phase ? "" : shownAs(get("first")), phase ? shownAs(get("second")) : ""], [1, 1]);
    } else {
      const x = Math.round(get("divider") * canvas.width);
      for (const [k, from, to] of [[0, 0, x], [1, x, canvas.width]]) {
        context.save();
        context.beginPath();
        context.rect(from, 0, to - from, canvas.height);
        context.clip();
        blit(pane.pictures[k]);
        context.restore();
      }
      context.fillStyle = "#fff"; context.fillRect(x - 2, 0, 4, canvas.height);
      context.fillStyle = "#000"; context.fillRect(x - 1, 0, 2, canvas.height);
      tag(pane, [shownAs(get("first")), shownAs(get("second"))], [get("divider"), 1 - get("divider")]);
    }
    if (cursor && get("magnifier")) enlarge(context, canvas, pane, scale, top, left);
    else if (cursor && pane.name !== "pair") cross(context, scale, top, left);
  }
  // A difference says from what, and what it is measured from that it is shown as it is.
  function shownAs(name) {
    if (get("view") !== "difference") return title(name);
    return name === get("reference") ? `${title(name)}: its alpha` : `${title(name)} − ${title(get("reference"))}`;
  }
  // Names stand inside the picture, each on its own side, as wide as there is room.
  function tag(pane, texts, shares) {
    pane.tags.forEach((node, k) => {
      node.textContent = texts[k];
      node.style.display = texts[k] && shares[k] > 0.04 ? "" : "none";
      node.style.maxWidth = `calc(${100 * shares[k]}% - 16px)`;
    });
  }
  // A square of pixels around the cursor, each at least eight times as large as in the picture and none smoothed.
  function enlarge(context, canvas, pane, scale, top, left) {
    const ratio = window.devicePixelRatio || 1;
    const side = Math.min(0.6 * Math.min(canvas.width, canvas.height), 168 * ratio);
    const large = Math.max(8 * ratio, 2 * scale);
    const x = (cursor[1] + 0.5 - left) * scale;
    const y = (cursor[0] + 0.5 - top) * scale;
    const at = [Math.min(Math.max(x - side / 2, 0), canvas.width - side), Math.min(Math.max(y - side / 2, 0), canvas.height - side)];
    let shown = pane.pictures[0];
    if (pane.name === "pair") shown = pane.pictures[get("mode") === "blink" ? phase : Number(x > get("divider") * canvas.width)];
    if (!shown) return;
    context.save();
    context.beginPath();
    context.rect(at[0], at[1], side, side);
    context.clip();
    context.fillStyle = get("background").startsWith("#") ? get("background") : "#bbb";
    context.fillRect(at[0], at[1], side, side);
    context.imageSmoothingEnabled = false;
    context.setTransform(large, 0, 0, large, at[0] + side / 2 - (cursor[1] + 0.5) * large, at[1] + side / 2 - (cursor[0] + 0.5) * large);
    context.drawImage(shown.levels[0], 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
    for (const [width, style, half] of [[3 * ratio, "#fff", large / 2 + ratio], [ratio, "#000", large / 2 + ratio]]) {
      context.lineWidth = width; context.strokeStyle = style;
      context.strokeRect(at[0] + side / 2 - half, at[1] + side / 2 - half, 2 * half, 2 * half);
    }
    context.restore();
    context.lineWidth = 2 * ratio; context.strokeStyle = "#fff"; context.strokeRect(at[0], at[1], side, side);
    context.lineWidth = ratio; context.strokeStyle = "#000"; context.strokeRect(at[0], at[1], side, side);
  }
  function lay(context, source, scale, top, left) {
    context.setTransform(scale, 0, 0, scale, -left * scale, -top * scale);
    context.imageSmoothingEnabled = scale < 2;
    context.drawImage(levelFor(source, scale), 0, 0, W, H);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }
  function behind(context, canvas, pane, scale, top, left) {
    if (get("view") !== "cutout" || pane.name === "image" || pane.name === "trimap") return;
    const kind = get("background");
    if (kind === "picture" && data.picture) {
      backdrop ??= canvasOf(data.picture);
      lay(context, backdrop, scale, top, left);
    } else if (kind === "checkerboard" || kind === "picture") {
      const tile = new OffscreenCanvas(16, 16);
      const small = tile.getContext("2d");
      small.fillStyle = "#fff"; small.fillRect(0, 0, 16, 16);
      small.fillStyle = "#bbb"; small.fillRect(0, 0, 8, 8); small.fillRect(8, 8, 8, 8);
      context.fillStyle = context.createPattern(tile, "repeat");
      context.fillRect(0, 0, canvas.width, canvas.height);
    } else {
      context.fillStyle = kind === "color" ? get("color") : kind;
      context.fillRect(0, 0, canvas.width, canvas.height);
    }
  }
  function cross(context, scale, top, left) {
    const x = (cursor[1] + 0.5 - left) * scale;
    const y = (cursor[0] + 0.5 - top) * scale;
    for (const [width, style] of [[3, "#fff"], [1, "#000"]]) {
      context.lineWidth = width; context.strokeStyle = style;
      context.beginPath();
      context.moveTo(x - 7, y); context.lineTo(x + 7, y); context.moveTo(x, y - 7); context.lineTo(x, y + 7);
      context.stroke();
    }
  }
  // A trimap has three levels, as the pad names them.
  const level = (value) => (value < 26 ? "0" : value > 229 ? "1" : "0.5");
  function values() {
    for (const pane of panes) {
      const node = pane.value;
      if (!cursor) { node.textContent = ""; continue; }
      const i = 4 * (cursor[0] * W + cursor[1]);
      const say = (image) => (image ? (image.data[i] / 255).toFixed(3) : "");
      if (pane.name === "image") node.textContent = data.photo ? [0, 1, 2].map((c) => data.photo.data[i + c]).join(" ") : "";
      else if (pane.name === "trimap") node.textContent = data.trimap ? level(data.trimap.data[i]) : "";
      else if (pane.name === "pair") node.textContent = `${say(alphaOf(get("first")))} | ${say(alphaOf(get("second")))}`;
      else node.textContent = say(alphaOf(pane.name));
    }
    note.textContent = cursor ? `row ${cursor[0]}, column ${cursor[1]}` : "";
  }

  // Zoom, pan, cursor, wipe ---------------------------------------------------------------------------------------------
  function look(zoom, top, left) {
    const z = Math.min(64, Math.max(1, zoom));
    const clamp = (value, length) => Math.min(Math.max(0, value), length - length / z);
    set("zoom", [z, clamp(top, H), clamp(left, W)]);
  }
  function zoomBy(factor, at) {
    const [zoom, top, left] = get("zoom");
    const wanted = Math.min(64, Math.max(1, zoom * factor));
    const [row, col] = at ?? [top + H / zoom / 2, left + W / zoom / 2];
    look(wanted, row - ((row - top) * zoom) / wanted, col - ((col - left) * zoom) / wanted);
  }
  function place(event, canvas) {
    const box = canvas.getBoundingClientRect();
    const [zoom, top, left] = get("zoom");
    return [top + ((event.clientY - box.top) / box.height) * (H / zoom), left + ((event.clientX - box.left) / box.width) * (W / zoom)];
  }
  function listen(pane) {
    const { canvas } = pane;
    let grip = null;
    const fingers = new Map();
    let apart = 0;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, event);
      apart = 0;
      grip = { x: event.clientX, y: event.clientY, wipe: get("mode") === "wipe" && !event.shiftKey && nearDivider(event, canvas) };
    }, on);
    canvas.addEventListener("pointermove", (event) => {
      const spot = place(event, canvas).map(Math.floor);
      cursor = spot[0] >= 0 && spot[0] < H && spot[1] >= 0 && spot[1] < W ? spot : null;
      if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
      const box = canvas.getBoundingClientRect();
      if (fingers.size === 2) {
        const [a, b] = [...fingers.values()];
        const now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
        if (apart) zoomBy(now / apart, place({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }, canvas));
        apart = now;
      } else if (grip?.wipe) set("divider", Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)));
      else if (grip) {
        const [zoom, top, left] = get("zoom");
        look(zoom, top - ((event.clientY - grip.y) / box.height) * (H / zoom), left - ((event.clientX - grip.x) / box.width) * (W / zoom));
        grip = { ...grip, x: event.clientX, y: event.clientY };
      } else canvas.style.cursor = get("mode") === "wipe" && nearDivider(event, canvas) ? "ew-resize" : "crosshair";
      values();
      paint();
    }, on);
    for (const name of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(name, (event) => { fingers.delete(event.pointerId); grip = null; }, on);
    }
    canvas.addEventListener("pointerleave", () => { cursor = null; values(); paint(); }, on);
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomBy(Math.exp(-event.deltaY / 300), place(event, canvas));
    }, { passive: false, signal: off.signal });
  }
  // While the mouse is over a picture or the focus in it; a list or a slider with the focus keeps its arrows and its space.
  window.addEventListener("keydown", (event) => {
    const at = event.composedPath()[0];
    const inside = at instanceof HTMLCanvasElement && grid.contains(at);
    if (event.ctrlKey || event.metaKey || event.altKey || !(inside || cursor)) return;
    // Who types elsewhere while the mouse rests here goes on typing.
    if (!el.contains(at) && at.closest?.("input:not([type=range]), textarea, select, [contenteditable=true], .cm-editor")) return;
    if (el.contains(at) && !inside && (event.key === " " || event.key.startsWith("Arrow"))) return;
    const [zoom, top, left] = get("zoom");
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (step) look(zoom, top + (0.1 * step[0] * H) / zoom, left + (0.1 * step[1] * W) / zoom);
    else if (event.key === "+" || event.key === "=") zoomBy(1.5);
    else if (event.key === "-") zoomBy(1 / 1.5);
    else if (event.key === "0") look(1, 0, 0);
    else if (event.key === "m" || event.key === "M") set("magnifier", !get("magnifier"));
    else if (event.key === " " && get("mode") === "blink") { phase = 1 - phase; paint(); }
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, { capture: true, signal: off.signal });
  const nearDivider = (event, canvas) => {
    const box = canvas.getBoundingClientRect();
    return Math.abs(event.clientX - box.left - get("divider") * box.width) < 24;
  };

  function clock() {
    clearInterval(timer);
    if (get("mode") === "blink" && get("blinking")) {
      timer = setInterval(() => { phase = 1 - phase; paint(); }, get("interval"));
    }
  }
  function tabulate() {
    const scores = [...new Set(entries().flatMap((one) => Object.keys(one.scores ?? {})))];
    const timed = entries().some((one) => one.seconds != null);
    if (!scores.length && !timed) { table.replaceChildren(); return; }
    const digits = (value) => (value == null ? "–" : Math.abs(value) < 1 ? value.toFixed(4) : value.toFixed(2));
    const head = ["Method", ...scores, ...(timed ? ["Seconds"] : [])];
    const best = Object.fromEntries(scores.map((name) => [name, Math.min(...entries().map((one) => one.scores?.[name] ?? Infinity))]));
    const rows = entries().map((one) => make("tr", {}, make("th", { scope: "row", textContent: one.title }),
      ...scores.map((name) => make("td", { textContent: digits(one.scores?.[name]), className: one.scores?.[name] === best[name] ? "mk-best" : "" })),
      ...(timed ? [make("td", { textContent: one.error ? "failed" : one.seconds?.toFixed(2) ?? "–" })] : [])));
    table.replaceChildren(make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col", textContent: text })))),
      make("tbody", {}, ...rows));
  }
  // Files -----------------------------------------------------------------------------------------------------------------
  async function saveFigure() {
    const shown = panes.filter((pane) => pane.pictures && pane.canvas.isConnected);
    const width = Math.min(W, 1200);
    const height = Math.round((width * H) / W);
    const columns = Math.min(shown.length, Math.max(1, Math.round(Math.sqrt((1.6 * shown.length * H) / W))));
    const line = 34;
    const sheet = make("canvas", { width: columns * (width + 16) + 16, height: Math.ceil(shown.length / columns) * (height + line + 16) + 16 });
    const context = sheet.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, sheet.width, sheet.height);
    const kept = cursor;
    cursor = null;
    shown.forEach((pane, k) => {
      const canvas = make("canvas", { width, height });
      draw({ ...pane, canvas, tags: [] }, canvas);
      const x = 16 + (k % columns) * (width + 16);
      const y = 16 + Math.floor(k / columns) * (height + line + 16);
      context.drawImage(canvas, x, y);
      context.fillStyle = "#111";
      context.font = "600 20px system-ui, sans-serif";
      const entry = entries().find((one) => one.name === pane.name);
      const words = pane.name === "pair" ? `${title(get("first"))}  |  ${title(get("second"))}`
        : [pane.title, entry ? inWords(entry) : ""].filter(Boolean).join(", ");
      context.fillText(words, x, y + height + 25, width);
    });
    cursor = kept;
    sheet.toBlob((blob) => save("comparison.png", blob), "image/png");
  }
  function saveTable() {
    const scores = [...new Set(entries().flatMap((one) => Object.keys(one.scores ?? {})))];
    const quoted = (value) => (/[",\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
    const lines = [["method", ...scores, "seconds", "note"], ...entries().map((one) => [one.title,
      ...scores.map((name) => one.scores?.[name] ?? ""), one.seconds ?? "", one.error ?? ""])];
    const text = lines.map((line) => line.map((value) => quoted(String(value))).join(",")).join("\r\n");
    save("comparison.csv", new Blob([`${text}\r\n`], { type: "text/csv" }));
  }

  function resize() {
    const available = Math.max(160, (grid.clientWidth || el.clientWidth || 640));
    const gap = 10;
    const tallest = Math.max(240, 0.66 * window.innerHeight);
    const least = Math.min(available < 560 ? 160 : W < H ? 200 : 250, available);
    let columns = 1;
    if (get("mode") === "grid") {
      // As few columns as keep the rows within the window, so that panes are as large as can be.
      const most = Math.max(1, Math.min(panes.length, Math.floor((available + gap) / (least + gap))));
      const high = (n) => Math.ceil(panes.length / n) * ((((available - gap * (n - 1)) / n) * H) / W + 56);
      while (columns < most && (available < 560 || high(columns) > window.innerHeight * 0.8)) columns += 1;
      // Rows as full as can be: fewer columns where that makes no row more, one more where fewer places stay empty.
      const left = (n) => n * Math.ceil(panes.length / n) - panes.length;
      columns = Math.ceil(panes.length / Math.ceil(panes.length / columns));
      if (columns > 1 && columns < most && left(columns + 1) < left(columns)) columns += 1;
    }
    let width = Math.floor((available - gap * (columns - 1)) / columns) - 2;
    width = Math.max(120, Math.min(width, Math.round((tallest * W) / H)));
    const ratio = window.devicePixelRatio || 1;
    for (const { canvas, figure } of panes) {
      figure.style.width = `${width + 2}px`;
      canvas.style.width = `${width}px`;
      canvas.style.height = `${Math.round((width * H) / W)}px`;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(((width * H) / W) * ratio);
    }
    paint();
  }

  async function load() {
    const [photo, trimap, truth, back] = await Promise.all(["photo", "trimap", "truth", "picture"].map((name) => pixels(get(name), shape)));
    const alphas = await Promise.all(get("alphas").map((one) => pixels(one, shape)));
    const foregrounds = await Promise.all(get("foregrounds").map((one) => pixels(one, shape)));
    if (off.signal.aborted) return;
    data = { photo, trimap, truth, picture: back, alphas, foregrounds };
    made = new Map();
    backdrop = null;
    el.dataset.loaded = String(alphas.length);
    arrange();
    values();
  }
  async function colours() {
    data.foregrounds = await Promise.all(get("foregrounds").map((one) => pixels(one, shape)));
    made = new Map();
    rebuild();
  }
  const watch = { "change:alphas": load, "change:entries": load, "change:foregrounds": colours, "change:zoom": paint, "change:picture": load,
    "change:divider": () => { wipe.value = Math.round(get("divider") * 1000); paint(); }, "change:interval": clock };
  for (const name of ["mode", "view", "background", "reference", "first", "second", "blinking", "only_unknown", "magnifier"]) watch[`change:${name}`] = arrange;
  watch["change:chosen"] = watch["change:usable"] = watch["change:problem"] = mark;
  watch["change:color"] = () => { color.value = get("color"); paint(); };
  for (const [name, handler] of Object.entries(watch)) model.on(name, handler);
  const observer = new ResizeObserver(() => resize());
  observer.observe(el);
  load();
  return () => {
    off.abort();
    clearInterval(timer);
    observer.disconnect();
    for (const [name, handler] of Object.entries(watch)) model.off(name, handler);
  };
}

export default { render };
