// The Studio's page: header, stage, strip and footer around the pad, which draws itself. What is chosen here is a trait
// in Python; files come from there when they are asked for, of what is shown then.
const PIECE = 1 << 20;
const KINDS = { png: "image/png", jpg: "image/jpeg", json: "application/json" };
const SWATCHES = { checkerboard: "Transparent", white: "White", "#438edb": "Blue #438EDB", "#d9001b": "Red #D9001B" };
const NAMED = { ...SWATCHES, "#438edb": "Blue", "#d9001b": "Red", "#2e7d32": "Green", black: "Black", picture: "Picture" };
const HERE = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
const STAYS = HERE ? "It stays on this computer." : "It goes to the computer that runs this page, and to no other.";
const STEPS = [["Open a photo.", "The program finds the subject by itself."], ["Wrong somewhere?", "Paint Keep or Remove there, roughly; Hair on fuzzy edges."],
  ["Choose a background", "or none, and save."]];
//: Seconds until a page that hears nothing says so; and what it says.
const PATIENCE = 4;
const SILENT = "The program does not answer: it is busy, or it has stopped. Nothing is lost: this tab keeps your strokes.";
const ICONS = {
  open: '<path d="M3 15V5a1 1 0 0 1 1-1h4l2 2h6a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1H4a1 1 0 0 1-1-1z"/>',
  find: '<path d="M3 7V4h3M14 4h3v3M17 13v3h-3M6 16H3v-3"/><circle cx="10" cy="8.5" r="2"/><path d="M6.5 14c.6-2 2-3 3.500-3s2.900 1 3.500 3"/>',
  save: '<path d="M10 3v9M6.500 9l3.500 3.500L13.500 9M4 16h12"/>',
  pick: '<path d="M12 5l3 3M4 16l1-3 7-7 2 2-7 7-3 1zM12.500 5.500L14 4a1.400 1.400 0 0 1 2 2l-1.500 1.500"/>',
  help: '<circle cx="10" cy="10" r="7"/><path d="M8 8a2 2 0 1 1 2.800 1.800c-.5.300-.8.600-.8 1.400M10 13.600v.1"/>',
  picture: '<rect x="3" y="4" width="14" height="12" rx="1"/><path d="M4 14l4-4 3 3 2-2 3 3"/><circle cx="13" cy="8" r="1"/>',
  down: '<path d="M6 8l4 4 4-4"/>',
};

const h = (tag, given = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "html") node.innerHTML = value;
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children);
  return node;
};
const svg = (name) => h("span", { class: "mk-svg", "aria-hidden": "true", html: `<svg viewBox="0 0 20 20">${ICONS[name]}</svg>` });

function download(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

function render({ model, el, host }) {
  const off = new AbortController();
  const on = { signal: off.signal };
  const get = (name) => model.get(name);
  const put = (values) => { for (const [name, value] of Object.entries(values)) model.set(name, value); model.save_changes(); };
  // Whatever is asked for is answered at once, if only by word that it was heard; where nothing comes, nobody is there.
  let silence = 0;
  let silent = false;
  const tell = (content, buffers) => {
    model.send(content, undefined, buffers);
    if (!silence && content.do !== "hello") silence = setTimeout(() => { silent = true; words(); }, PATIENCE * 1000);
  };
  function answered() {
    clearTimeout(silence);
    silence = 0;
    if (silent) { silent = false; words(); }
  }
  let asked = 0;
  const answers = new Map();

  // Menus that open below their button; a click elsewhere or Escape closes them -------------------------------------------
  let opened = null;
  function close(back) {
    if (!opened) return;
    opened.menu.hidden = true;
    opened.button.setAttribute("aria-expanded", "false");
    if (back) opened.button.focus();
    opened = null;
  }
  function dropdown(icon, word, title, kind, ...children) {
    const button = h("button", { type: "button", class: `mk-main ${kind}`, title, "aria-label": word, "aria-haspopup": "true", "aria-expanded": "false" },
      svg(icon), h("span", {}, word), svg("down"));
    const menu = h("div", { class: "mk-pop", role: "group", "aria-label": word, hidden: true }, ...children);
    button.addEventListener("click", () => {
      const again = opened?.menu === menu;
      close();
      if (again) return;
      menu.hidden = false;
      button.setAttribute("aria-expanded", "true");
      opened = { button, menu };
      menu.querySelector("button")?.focus();
    }, on);
    return { node: h("span", { class: "mk-drop" }, button, menu), button, menu };
  }
  document.addEventListener("pointerdown", (event) => { if (opened && !opened.menu.parentElement.contains(event.target)) close(); }, on);
  const item = (word, hint, act) => h("button", { type: "button", class: "mk-item", onclick: () => { close(); act(); } },
    h("span", {}, word), h("small", {}, hint));

  // A file in either of two formats.
  const pair = (word, hint, what, options) => h("div", { class: "mk-pairs" }, item(word, hint, () => save(what, options())),
    h("button", { type: "button", class: "mk-item", "aria-label": `${word}, JPEG`, title: "Smaller, for e-mail and forms", onclick: () => { close(); save(what, { ...options(), suffix: ".jpg" }); } },
      h("span", {}, "JPEG"), h("small", {}, "smaller")));

  // Header ----------------------------------------------------------------------------------------------------------------
  const input = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "Photo" });
  const behindInput = h("input", { type: "file", accept: "image/*", hidden: true, "aria-label": "Background picture" });
  for (const [node, as] of [[input, "photo"], [behindInput, "background"]]) {
    node.addEventListener("change", () => { if (node.files[0]) send(node.files[0], as); node.value = ""; }, on);
  }
  const openButton = h("button", { type: "button", class: "mk-main", title: "Open a photo; or paste it, or drop it anywhere here", onclick: () => input.click() },
    svg("open"), h("span", {}, "Open photo"));
  const name = h("span", { class: "mk-name" });
  const find = dropdown("find", "Find subject", "Let the program find the subject by itself", "",
    item("Find the whole subject", "As when the photo was opened", () => tell({ do: "find" })),
    item("Find it in a box", "Draw a box around the subject", () => aim("box")),
    item("Find what I click on", "Alt and a click: not this", () => aim("points")));
  const size = h("select", { "aria-label": "Size of the ID photo" });
  const paper = h("select", { "aria-label": "Paper" });
  const files = dropdown("save", "Save", "Save what is shown now", "mk-primary",
    item("Cut-out", "PNG, transparent", () => save("cutout")),
    pair("With background", "PNG, on what is chosen below", "composite", () => ({})),
    item("Copy cut-out", "To the clipboard", () => copy()),
    h("hr"),
    h("label", { class: "mk-field" }, "ID photo", size),
    pair("Save ID photo", "PNG, 300 dots per inch", "id", () => ({ id_size: size.value })),
    h("label", { class: "mk-field" }, "Paper", paper),
    item("Save print sheet", "With marks to cut along", () => save("sheet", { id_size: size.value, paper: paper.value })),
    h("hr"),
    item("Strokes", "To go on another day: ⋯, Open strokes", () => save("strokes")),
    item("Alpha", "PNG: white is kept, black removed", () => save("alpha")),
    item("Trimap", "PNG: kept, removed, and what the program decides", () => save("trimap")));
  const help = dropdown("help", "Help", "How it is done", "mk-help-button", h("div", { class: "mk-help-text", tabindex: -1 },
    ...STEPS.map(([first, then], k) => h("p", {}, h("strong", {}, `${k + 1} ${first} `), then)),
    h("p", {}, h("strong", {}, "The dashed lines: "), "what lies between them is not settled; there the program decides by colour, pixel by pixel. A stroke settles it."),
    h("p", {}, h("strong", {}, "On a slip: "), "undo with Z, or take strokes away with Erase. The mouse wheel zooms with Ctrl held, the right button removes."),
    h("p", {}, h("strong", {}, "All keys: "), "press ?, or “? keys” below the pictures.")));
  const header = h("header", { class: "mk-head" }, openButton, name, h("span", { class: "mk-grow" }), help.node, find.node, files.node);
  const said = h("div", { class: "mk-said", role: "status" });
  const wrong = h("div", { class: "mk-wrong", role: "alert", hidden: true });

  // Stage -----------------------------------------------------------------------------------------------------------------
  const thumbs = h("div", { class: "mk-thumbs" });
  const empty = h("div", { class: "mk-empty" }, h("h2", {}, "mattingkit Studio"),
    h("p", { class: "mk-what" }, "Cut people, animals and things out of a photo, hair and all, and put them on another background."),
    h("button", { type: "button", class: "mk-zone", "aria-label": "Open a photo: choose a file, or drop or paste one here", onclick: () => input.click() }, svg("picture"),
      h("strong", {}, "Open a photo"), h("span", {}, `or drop it here, or paste it. ${STAYS}`)),
    h("ol", { class: "mk-steps" }, ...STEPS.map(([first, then]) => h("li", {}, h("strong", {}, first), " ", then))),
    h("p", {}, "No photo at hand? Try one of these:"), thumbs);
  const place = h("div", { class: "mk-place-of-pad" });
  const aimer = h("div", { class: "mk-aim", hidden: true, tabindex: 0, role: "application", "aria-label": "Show where the subject is" });
  const stage = h("div", { class: "mk-stage" }, empty, place, aimer);

  // Strip -----------------------------------------------------------------------------------------------------------------
  const swatches = Object.fromEntries(Object.entries(SWATCHES).map(([value, title]) => [value, h("button", { type: "button",
    class: `mk-swatch ${value === "checkerboard" ? "mk-none" : ""}`, title, "aria-label": title, style: value === "checkerboard" ? "" : `--own: ${value}`,
    onclick: () => choose(value) })]));
  // One that is chosen already, too, is to be seen.
  const choose = (background) => { put({ background }); tell({ do: "ground" }); };
  const color = h("input", { type: "color", value: "#7048e8", title: "Any colour", "aria-label": "Any colour" });
  let own = false;
  let mixing = 0;
  color.addEventListener("input", () => {
    own = true;
    clearTimeout(mixing);
    mixing = setTimeout(() => choose(color.value), 60);
  }, on);
  // The colour of one's own that was left for another is back with the click; the picker would not tell of it.
  color.addEventListener("click", () => { if (own && get("background") !== color.value) choose(color.value); }, on);
  const pick = h("button", { type: "button", class: "mk-tool", title: "Pick a colour from the photo", "aria-label": "Pick a colour from the photo", onclick: () => aim("pick") }, svg("pick"));
  const behind = h("button", { type: "button", class: "mk-tool", title: "A picture as background", "aria-label": "A picture as background", onclick: () => behindInput.click() }, svg("picture"));
  const shownOn = h("span", { class: "mk-soft mk-on" });
  const range = (trait, word, title, low, high, step, text) => {
    const node = h("input", { type: "range", min: low, max: high, step, "aria-label": title, title });
    const number = h("output", {});
    let waiting = null;
    // What the hand is moving is not taken out of it by an answer to an earlier move.
    const show = () => { if (waiting == null) { node.value = get(trait); number.textContent = text(get(trait)); } };
    node.addEventListener("input", () => {
      const wanted = Number(node.value);
      number.textContent = text(wanted);
      clearTimeout(waiting);
      waiting = setTimeout(() => { waiting = null; put({ [trait]: wanted }); }, 60);
    }, on);
    node.addEventListener("dblclick", () => put({ [trait]: 0 }), on);
    return { node: h("label", { class: "mk-slide", title }, h("span", {}, word), node, number), show };
  };
  const shift = range("shift", "Smaller – larger", "Move the edge: to the left the subject gets smaller, to the right larger; a double click puts it back", -0.5, 0.5, 0.01,
    (value) => { const moved = Math.round(100 * value); return moved ? `${Math.abs(moved)} % ${moved < 0 ? "in" : "out"}` : "as found"; });
  const feather = range("feather", "Softer", "Soften the edge; a double click puts it back", 0, 10, 0.1, (value) => (value ? `${value.toFixed(1)} px` : "as found"));
  const clean = h("input", { type: "checkbox" });
  clean.addEventListener("change", () => put({ decontaminate: clean.checked }), on);
  const strip = h("div", { class: "mk-strip" },
    h("div", { class: "mk-set", role: "group", "aria-label": "Background" }, h("span", { class: "mk-label" }, "Background"),
      ...Object.values(swatches), color, pick, behind, shownOn),
    h("div", { class: "mk-set", role: "group", "aria-label": "Edge" }, h("span", { class: "mk-label" }, "Edge"), shift.node, feather.node,
      h("label", { class: "mk-check", title: "Take the old background's colours off the edge of the subject" }, clean, "No colour fringe")));

  // Footer ----------------------------------------------------------------------------------------------------------------
  const method = h("select", { "aria-label": "Method" });
  method.addEventListener("change", () => put({ method: method.value }), on);
  const hint = h("span", { class: "mk-soft" });
  const sliders = h("div", { class: "mk-sliders" });
  const reset = h("button", { type: "button", onclick: () => put({ parameters: {} }) }, "Defaults");
  const boxes = h("div", { class: "mk-boxes", role: "group", "aria-label": "Methods to compare" });
  const run = h("button", { type: "button", onclick: () => tell({ do: "compare", names: [...boxes.querySelectorAll("input:checked")].map((one) => one.value) }) }, "Run");
  const chips = h("div", { class: "mk-chips" });
  const view = h("div", { class: "mk-view" });
  const running = h("span", { class: "mk-soft", role: "status" });
  const verdict = h("p", { class: "mk-soft", role: "status" });
  const code = h("pre", { tabindex: 0 });
  const copied = h("button", { type: "button", onclick: async () => {
    const done = await copyText(get("code"));
    copied.textContent = done ? "Copied" : "Select and copy";
    setTimeout(() => { copied.textContent = "Copy"; }, 2000);
  } }, "Copy");
  const folded = (word, hint, ...children) => {
    const soft = h("span", { class: "mk-soft" }, hint);
    const node = h("details", {}, h("summary", {}, word, " ", soft), h("div", { class: "mk-inside" }, ...children));
    return { node, soft };
  };
  const one = folded("Method", "", h("div", { class: "mk-row" }, method, reset, hint), sliders);
  const many = folded("Compare", "several methods on this photo", boxes, h("div", { class: "mk-row" }, run, running), chips, verdict, view);
  const python = folded("Python", "for programmers: the same in a few lines", copied, code);
  const foot = h("footer", { class: "mk-foot" }, one.node, many.node, python.node);

  const root = h("div", { class: "mk-studio", "data-lm-suppress-shortcuts": "true" }, header, wrong, said, stage, strip, foot, input, behindInput);
  el.append(root);

  async function copyText(text) {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed here: selected for the hand */ }
    const all = document.createRange();
    all.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(all);
    return document.execCommand("copy");
  }

  // Files in: chosen, dropped anywhere, pasted ----------------------------------------------------------------------------
  async function send(file, as = "photo") {
    if (file.size > get("limit")) { say(`${file.name} has ${Math.round(file.size / 1e6)} MB; up to ${get("limit") / 1e6} MB can be opened.`, true); return; }
    if (as === "photo") say(`Opening ${file.name}…`);
    const of = Math.max(1, Math.ceil(file.size / PIECE));
    for (let piece = 0; piece < of; piece += 1) {
      tell({ do: "open", as, name: file.name || "pasted.png", piece, of }, [await file.slice(piece * PIECE, (piece + 1) * PIECE).arrayBuffer()]);
    }
  }
  const images = (list) => [...(list ?? [])].filter((one) => one.type.startsWith("image/"));
  const holds = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  el.addEventListener("dragover", (event) => {
    if (!holds(event)) return;
    event.preventDefault();
    event.stopPropagation();
    root.classList.add("mk-over");
  }, on);
  el.addEventListener("dragleave", (event) => { if (!el.contains(event.relatedTarget)) root.classList.remove("mk-over"); }, on);
  el.addEventListener("drop", (event) => {
    root.classList.remove("mk-over");
    if (!holds(event)) return;
    event.preventDefault();
    event.stopPropagation();
    const file = event.dataTransfer.files[0];
    if (file) send(file, strip.contains(event.target) ? "background" : "photo");
  }, { signal: off.signal, capture: true });
  document.addEventListener("paste", (event) => {
    const ours = el.contains(document.activeElement) || document.activeElement === document.body || el.matches(":hover");
    const file = images(event.clipboardData?.files)[0];
    if (!file || !ours) return;
    event.preventDefault();
    event.stopPropagation();
    send(file);
  }, { signal: off.signal, capture: true });
  // A notebook would act on keys and on the right button, too.
  el.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && opened) close(true);
    if (!event.ctrlKey && !event.metaKey && event.key !== "Tab") event.stopPropagation();
  }, on);
  el.addEventListener("contextmenu", (event) => event.stopPropagation(), on);

  // Files out -------------------------------------------------------------------------------------------------------------
  async function want(what, options = {}) {
    // The pad feels whether the program is there still.
    const gone = () => place.querySelector(".mk-banner-gone");
    const why = () => new Error(`Not saved. ${gone().textContent}`);
    if (gone()) throw why();
    const id = ++asked;
    say("Saving…");
    return new Promise((resolve, reject) => {
      const watching = setInterval(() => { if (gone()) done(reject)(why()); }, 500);
      const done = (act) => (result) => { clearInterval(watching); answers.delete(id); act(result); };
      answers.set(id, { resolve: done(resolve), reject: done(reject) });
      tell({ do: "save", id, what, ...options });
    });
  }
  async function save(what, options) {
    try {
      const { name: title, blob, note } = await want(what, options);
      download(title, blob);
      say([`Saved ${title}.`, note].filter(Boolean).join(" "));
    } catch (error) {
      say(error.message, true);
      if (error.anyway) wrong.append(h("button", { type: "button", onclick: () => save(what, { ...options, strict: false }) }, "Crop anyway"));
    }
  }
  async function copy() {
    try {
      // A promise, since the right to write ends soon after the click.
      await navigator.clipboard.write([new ClipboardItem({ "image/png": want("cutout").then((one) => one.blob) })]);
      say("The cut-out is in the clipboard.");
    } catch (error) { say(`It could not be copied; save it instead. ${error.message ?? error}`, true); }
  }
  function say(text, failed = false) {
    said.textContent = failed ? get("working") || get("notice") : text;
    complain(failed ? text : "");
  }
  function complain(text) {
    wrong.textContent = text;
    wrong.hidden = !text;
    said.hidden = !!text;
  }

  // Where the subject is: a box or points, drawn over the photograph; or a colour picked from it --------------------------------
  let goal = null;
  function aim(kind) {
    const canvas = place.querySelector('canvas[aria-roledescription="drawing pad"]');
    if (!canvas) return;
    tell({ do: "whole" });
    goal = { kind, canvas, include: [], exclude: [], from: null };
    const word = { box: "Draw a box around the subject.", points: "Click on the subject; Alt and a click on what is not.", pick: "Click on the colour to use." }[kind];
    aimer.replaceChildren(h("div", { class: "mk-bubble" }, word, h("button", { type: "button", onclick: done }, kind === "points" ? "Done" : "Cancel")));
    aimer.hidden = false;
    settle();
    aimer.focus();
  }
  function done() { aimer.hidden = true; goal = null; }
  function settle() {
    if (!goal) return;
    if (!goal.canvas.isConnected) { done(); return; }
    const [box, around] = [goal.canvas.getBoundingClientRect(), stage.getBoundingClientRect()];
    Object.assign(aimer.style, { left: `${box.left - around.left}px`, top: `${box.top - around.top}px`, width: `${box.width}px`, height: `${box.height}px` });
  }
  const spot = (event) => {
    const box = aimer.getBoundingClientRect();
    const [H, W] = get("size");
    return [((event.clientY - box.top) / box.height) * H, ((event.clientX - box.left) / box.width) * W].map((value, k) => Math.min(Math.max(value, 0), [H, W][k] - 1));
  };
  const mark = (node, from, to) => {
    const [H, W] = get("size");
    const [top, left] = [Math.min(from[0], to[0]), Math.min(from[1], to[1])];
    Object.assign(node.style, { top: `${(100 * top) / H}%`, left: `${(100 * left) / W}%`, height: `${(100 * Math.abs(to[0] - from[0])) / H}%`, width: `${(100 * Math.abs(to[1] - from[1])) / W}%` });
  };
  aimer.addEventListener("pointerdown", (event) => {
    if (!goal || event.button || event.target.closest("button")) return;
    event.preventDefault();
    event.stopPropagation();
    const at = spot(event);
    if (goal.kind === "pick") { tell({ do: "pick", point: at }); done(); return; }
    if (goal.kind === "points") {
      const not = event.altKey;
      goal[not ? "exclude" : "include"].push(at);
      const dot = h("span", { class: `mk-dot ${not ? "mk-not" : ""}` });
      mark(dot, at, at);
      aimer.append(dot);
      tell({ do: "find", include: goal.include, exclude: goal.exclude });
      return;
    }
    goal.from = at;
    goal.frame = h("span", { class: "mk-frame-of-box" });
    aimer.append(goal.frame);
  }, on);
  // On the document, in whichever element the hand comes to rest.
  document.addEventListener("pointermove", (event) => { if (goal?.from) mark(goal.frame, goal.from, spot(event)); }, { signal: off.signal, capture: true });
  document.addEventListener("pointerup", (event) => {
    if (!goal?.from) return;
    const [a, b] = [goal.from, spot(event)];
    const box = [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[0], b[0]) + 1, Math.max(a[1], b[1]) + 1].map(Math.round);
    goal.from = null;
    if (box[2] - box[0] < 8 || box[3] - box[1] < 8) { goal.frame.remove(); return; }
    tell({ do: "find", box });
    done();
  }, { signal: off.signal, capture: true });
  // Before the pad, which takes keys while the mouse is over it.
  window.addEventListener("keydown", (event) => {
    if (!goal || event.key !== "Escape") return;
    event.stopImmediatePropagation();
    done();
    find.button.focus();
  }, { signal: off.signal, capture: true });

  // What is shown ---------------------------------------------------------------------------------------------------------
  function words() {
    const there = !!get("pad");
    empty.hidden = there;
    place.hidden = strip.hidden = foot.hidden = find.node.hidden = files.node.hidden = !there;
    const [H, W] = get("size").length ? get("size") : [0, 0];
    name.textContent = there ? `${get("name")}  ${W} × ${H}` : "";
    said.textContent = get("working") || get("notice");
    said.classList.toggle("mk-busy", !!get("working"));
    // What goes on is newer than what went wrong before.
    complain(silent ? SILENT : get("working") ? "" : get("alert"));
    header.hidden = !there;
    root.classList.toggle("mk-without", !there);
  }
  function ground() {
    const now = get("background");
    for (const [value, node] of Object.entries(swatches)) node.setAttribute("aria-pressed", String(value === now));
    const mine = now.startsWith("#") && !(now in SWATCHES);
    if (mine && /^#[0-9a-f]{6}$/i.test(now)) color.value = now;
    own ||= mine;
    color.classList.toggle("mk-chosen", mine);
    behind.setAttribute("aria-pressed", String(now === "picture"));
    shownOn.textContent = NAMED[now] ?? now;
  }
  function edge() { shift.show(); feather.show(); clean.checked = get("decontaminate"); }
  function choices() {
    method.replaceChildren(...get("methods").map((each) => h("option", { value: each.name }, each.title)));
    const ticks = get("methods").map((each) => h("input", { type: "checkbox", value: each.name, checked: ["closed_form", "knn", "bayesian"].includes(each.name) }));
    const all = h("button", { type: "button", onclick: () => { const on = ticks.some((tick) => !tick.checked); for (const tick of ticks) tick.checked = on; } }, "All or none");
    boxes.replaceChildren(...get("methods").map((each, k) => h("label", { class: "mk-check", title: each.hint }, ticks[k], each.title)), all);
    for (const [node, trait] of [[size, "sizes"], [paper, "papers"]]) {
      node.replaceChildren(...Object.entries(get(trait)).map(([value, text]) => h("option", { value }, text)));
    }
    size.value = "35x45mm";
    chosen();
  }
  function chosen() {
    const now = get("methods").find((each) => each.name === get("method"));
    method.value = get("method");
    one.soft.textContent = `how the edge is found: ${now?.title ?? ""}`;
    hint.textContent = now?.hint || (now?.strokes ? "" : "Finds the subject by itself; strokes do not count.");
    const given = get("parameters");
    reset.disabled = !Object.keys(given).length;
    sliders.replaceChildren(...get("sliders").map((each) => slider(each, given[each.name] ?? each.default)));
  }
  function slider(each, value) {
    // Parameters are spelt as in the libraries they come from, the page as everything else here.
    const word = each.name.replaceAll("_", " ").replace("neighbor", "neighbour");
    const set = (next) => {
      const rest = { ...get("parameters") };
      if (next === each.default) delete rest[each.name]; else rest[each.name] = next;
      put({ parameters: rest });
    };
    if (each.kind === "check") return h("label", { class: "mk-check" }, h("input", { type: "checkbox", checked: value, onchange: (event) => set(event.target.checked) }), word);
    if (each.kind === "choice") {
      const node = h("select", { "aria-label": word, onchange: () => set(each.options[node.selectedIndex]) }, ...each.options.map((option) => h("option", {}, String(option))));
      node.selectedIndex = each.options.indexOf(value);
      return h("label", { class: "mk-slide" }, h("span", {}, word), node);
    }
    const [to, from] = each.log ? [Math.log10, (x) => Number((10 ** x).toPrecision(2))] : [(x) => x, (x) => (each.whole ? Math.round(x) : Number(x.toPrecision(4)))];
    const number = h("output", {}, String(value));
    const node = h("input", { type: "range", min: to(each.low), max: to(each.high), step: each.log ? 0.1 : each.step, "aria-label": word,
      oninput: () => { number.textContent = String(from(Number(node.value))); }, onchange: () => set(from(Number(node.value))) });
    node.value = to(value);
    return h("label", { class: "mk-slide" }, h("span", {}, word), node, number);
  }
  function compared() {
    const all = get("chips");
    const best = Math.min(...all.map((each) => each.score ?? Infinity));
    chips.replaceChildren(...all.map((each) => h("div", { class: `mk-chip ${each.chosen ? "mk-chosen" : ""}` }, h("strong", {}, each.title),
      h("span", { class: "mk-soft" }, each.error ?? `${each.seconds.toFixed(2)} s${each.score == null ? "" : ` · SAD ${each.score.toPrecision(3)}${each.score === best && all.length > 1 ? " ★" : ""}`}`),
      each.error ? "" : h("button", { type: "button", "aria-pressed": String(each.chosen), onclick: () => tell({ do: "use", name: each.name }) }, each.chosen ? "In use" : "Use this"))));
    const used = all.find((each) => each.chosen);
    // Without the true alpha nobody can say which is best but the person who looks.
    verdict.textContent = !all.length || get("running") ? "" : [used ? `The result above is ${used.title}'s.` : "",
      all.some((each) => each.score != null) ? "★ is nearest to the true alpha." : "Which is best? Look at hair, at gaps and along the edge; seconds say nothing about that."].join(" ").trim();
    running.textContent = get("running");
    run.disabled = !!get("running");
  }
  // Another widget inside: drawn by itself, taken away with its own signal.
  const inside = {};
  async function embed(trait, into) {
    const reference = get(trait);
    if (inside[trait]?.reference === reference) return;
    inside[trait]?.stop.abort();
    const stop = new AbortController();
    inside[trait] = { reference, stop };
    off.signal.addEventListener("abort", () => stop.abort());
    // What lies below it stays where it is while one pad takes the place of another.
    into.style.minHeight = `${into.offsetHeight}px`;
    into.replaceChildren();
    const settled = () => requestAnimationFrame(() => requestAnimationFrame(() => { if (!stop.signal.aborted) into.style.minHeight = ""; }));
    if (!reference) { settled(); return; }
    const box = h("div", {});
    into.append(box);
    try {
      const child = await host.getWidget(reference);
      if (!stop.signal.aborted) await child.render({ el: box, signal: stop.signal });
    } catch (error) { if (!stop.signal.aborted) say(String(error.message ?? error), true); } finally { settled(); }
  }
  function heard(content, buffers) {
    answered();
    if (content.part === "sample") {
      if (thumbs.querySelector(`[data-name="${content.name}"]`)) return;
      const title = get("samples").find((each) => each.name === content.name)?.title ?? content.name;
      thumbs.append(h("button", { type: "button", "data-name": content.name, title: `Try the sample: ${title}`, onclick: () => tell({ do: "sample", name: content.name }) },
        h("img", { alt: "", src: URL.createObjectURL(new Blob(buffers)) }), h("span", {}, title)));
    } else if (content.part === "file") {
      const waiting = answers.get(content.id);
      if (content.error) waiting?.reject(Object.assign(new Error(content.error), { anyway: content.anyway }));
      else waiting?.resolve({ name: content.name, note: content.note, blob: new Blob(buffers, { type: KINDS[content.name.split(".").pop()] }) });
    }
  }

  const watch = { "msg:custom": heard, "change:background": ground, "change:code": () => { code.textContent = get("code"); },
    "change:pad": () => { words(); done(); embed("pad", place); }, "change:comparison": () => embed("comparison", view) };
  for (const trait of ["name", "size", "working", "notice", "alert"]) watch[`change:${trait}`] = words;
  for (const trait of ["shift", "feather", "decontaminate"]) watch[`change:${trait}`] = edge;
  for (const trait of ["method", "parameters", "sliders"]) watch[`change:${trait}`] = chosen;
  for (const trait of ["chips", "running"]) watch[`change:${trait}`] = compared;
  for (const [event, act] of Object.entries(watch)) model.on(event, act);
  const sizer = new ResizeObserver(() => { root.classList.toggle("mk-narrow", el.clientWidth < 720); root.classList.toggle("mk-close", el.clientWidth < 960); settle(); });
  sizer.observe(el);
  sizer.observe(stage);
  choices();
  ground();
  edge();
  compared();
  words();
  code.textContent = get("code");
  embed("pad", place);
  embed("comparison", view);
  tell({ do: "hello" });
  return () => {
    off.abort();
    clearTimeout(silence);
    sizer.disconnect();
    for (const [event, act] of Object.entries(watch)) model.off(event, act);
  };
}

export default { render };
