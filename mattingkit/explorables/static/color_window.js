// A window of colours: nine pixels in the cube of colours, mixed of a foreground and a background that each vary along a
// line. Alpha is fitted by an affine function of colour; its cost, and the window's part of the matting Laplacian, follow
// every drag.
import { clamp, dot, fitWindow, minus, mix, moments, plus, scaled, windowLaplacian } from "./core.js";
import { OWN_KEYS, bright, button, css, explorable, handle, make, number, set, slider, spoken, status, svg } from "./kit.js";

const SIZE = 400;
const SCALE = 225;
const PLOT = { left: 34, top: 12, width: 310, height: 180 };
const ENDS = { F1: "F", F2: "F′", B1: "B", B2: "B′" };
const NAMES = { F1: "one end of the foreground's line", F2: "the other end of the foreground's line",
  B1: "one end of the background's line", B2: "the other end of the background's line" };
const SKEW = { F1: [0.95, 0.5, 0.1], F2: [0.62, 0.92, 0.72], B1: [0.1, 0.12, 0.72], B2: [0.45, 0.42, 0.06] };
const PRESETS = {
  "Two lines": SKEW,
  "Lines that meet": { F1: [0.85, 0.8, 0.5], F2: [0.35, 0.3, 0.5], B1: [0.2, 0.75, 0.5], B2: [0.6, 0.25, 0.5] },
  "One layer constant": { ...SKEW, F2: SKEW.F1 },
  "Both constant": { ...SKEW, F2: SKEW.F1, B2: SKEW.B1 },
};
const EPSILON = { to: (v) => 10 ** v, from: (v) => Math.log10(v) };
const power = (value) => { const [m, e] = value.toExponential(1).split("e"); return `${m} · 10${[...String(Number(e))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("")}`; };
const short = (value) => (value < 5e-10 ? "0" : value >= 0.001 ? number(value, 4) : power(value));

function build({ model, el, on, put }) {
  const get = (name) => model.get(name);
  let chosen = 4;
  let cell = null;

  // --- The cube ----------------------------------------------------------------------------------------------------------
  const view = () => {
    const [s, c] = [Math.sin(get("turn")), Math.cos(get("turn"))];
    const [sp, cp] = [Math.sin(0.42), Math.cos(0.42)];
    return { right: [c, 0, -s], up: [-s * sp, cp, -c * sp], toward: [s * cp, sp, c * cp] };
  };
  const project = (color) => {
    const { right, up } = view();
    const d = minus(color, [0.5, 0.5, 0.5]);
    return [SIZE / 2 + SCALE * dot(d, right), SIZE / 2 - SCALE * dot(d, up)];
  };
  const moved = (color, [x, y]) => {
    const { right, up } = view();
    const [x0, y0] = project(color);
    return plus(color, plus(scaled((x - x0) / SCALE, right), scaled((y0 - y) / SCALE, up))).map((value) => clamp(value));
  };
  const cube = svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, class: "mk-x-cube", role: "group", "aria-label": "The cube of colours" });
  const backdrop = svg("rect", { width: SIZE, height: SIZE, class: "mk-x-backdrop" });
  cube.append(backdrop);
  const edges = [];
  for (let k = 0; k < 8; k += 1) {
    for (const bit of [1, 2, 4]) {
      if (k & bit) continue;
      const corner = (n) => [n & 1, (n >> 1) & 1, (n >> 2) & 1];
      const line = svg("line", { class: "mk-x-edge" });
      edges.push([line, corner(k), corner(k | bit)]);
      cube.append(line);
    }
  }
  const axes = [[[1.1, 0, 0], "red"], [[0, 1.1, 0], "green"], [[0, 0, 1.1], "blue"]].map(([at, text]) => {
    const node = svg("text", { class: "mk-x-axis", "text-anchor": "middle" }, text);
    cube.append(node);
    return [node, at];
  });
  const layers = ["F", "B"].map((name) => { const node = svg("line", { class: `mk-x-layer mk-x-${name}` }); cube.append(node); return [node, name]; });
  const ties = Array.from({ length: 9 }, () => { const node = svg("line", { class: "mk-x-tie" }); cube.append(node); return node; });
  let grip = null;
  backdrop.addEventListener("pointerdown", (event) => { grip = event.clientX; backdrop.setPointerCapture(event.pointerId); }, on);
  backdrop.addEventListener("pointermove", (event) => {
    if (grip === null) return;
    put({ turn: wrap(get("turn") - (event.clientX - grip) / 120) });
    grip = event.clientX;
  }, on);
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) backdrop.addEventListener(name, () => { grip = null; }, on);
  const wrap = (angle) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));

  /** Colour of a pixel before anybody drags it: its share of a point of the one line, and the rest of the other. */
  const parts = (k) => ({ F: mix(get("beta_F")[k], get("F1"), get("F2")), B: mix(get("beta_B")[k], get("B1"), get("B2")) });
  const colorOf = (k) => {
    const { F, B } = parts(k);
    return plus(mix(get("mix")[k], F, B), get("shift")[k]).map((value) => clamp(value));
  };
  const colors = () => Array.from({ length: 9 }, (_, k) => colorOf(k));

  const pixels = Array.from({ length: 9 }, (_, k) => handle(cube, {
    label: `Colour of pixel ${k + 1}`, step: 5, shape: svg("circle", { r: 7.5, class: "mk-x-dot" }),
    at: () => project(colorOf(k)),
    move: (place) => {
      const { F, B } = parts(k);
      const goal = moved(colorOf(k), place);
      const shift = get("shift").slice();
      shift[k] = minus(goal, mix(get("mix")[k], F, B));
      put({ shift });
    },
    said: () => spoken(colorOf(k)), value: () => colorOf(k)[0],
  }, on));
  const ends = Object.entries(ENDS).map(([name, text]) => handle(cube, {
    label: `Colour at ${NAMES[name]}`, text, step: 5, kind: "mk-x-end",
    shape: name[0] === "F" ? svg("circle", { r: 8, class: "mk-x-dot" }) : svg("rect", { x: -7.5, y: -7.5, width: 15, height: 15, rx: 1.5, class: "mk-x-dot" }),
    at: () => project(get(name)), move: (place) => put({ [name]: moved(get(name), place) }),
    said: () => spoken(get(name)), value: () => get(name)[0],
  }, on));
  const endNames = Object.keys(ENDS);

  // --- Alpha against colour ----------------------------------------------------------------------------------------------
  const plot = svg("svg", { viewBox: `0 0 ${PLOT.left + PLOT.width + 12} ${PLOT.top + PLOT.height + 34}`, class: "mk-x-plot", role: "group",
    "aria-label": "Alpha against colour along a, with the fitted line" });
  const py = (alpha) => PLOT.top + PLOT.height * (1 - (alpha + 0.1) / 1.2);
  let reach = 0.8;
  const px = (t) => PLOT.left + PLOT.width * (0.5 + t / (2 * reach));
  for (const value of [0, 0.5, 1]) {
    plot.append(svg("line", { class: "mk-x-grid", x1: PLOT.left, x2: PLOT.left + PLOT.width, y1: py(value), y2: py(value) }),
      svg("text", { class: "mk-x-axis", x: PLOT.left - 6, y: py(value) + 4, "text-anchor": "end" }, String(value)));
  }
  const xLabel = svg("text", { class: "mk-x-axis", x: PLOT.left + PLOT.width, y: PLOT.top + PLOT.height + 24, "text-anchor": "end" });
  plot.append(xLabel, svg("text", { class: "mk-x-axis", x: PLOT.left, y: PLOT.top + PLOT.height + 24 }, "α against colour along a"));
  const clip = svg("svg", { x: PLOT.left, y: PLOT.top, width: PLOT.width, height: PLOT.height, style: "overflow:hidden" });
  const fitted = svg("line", { class: "mk-x-fit" });
  clip.append(fitted);
  plot.append(clip);
  const offs = Array.from({ length: 9 }, () => { const node = svg("line", { class: "mk-x-tie mk-x-miss" }); plot.append(node); return node; });
  let found = null;
  let direction = [1, 0, 0];
  let centre = [0, 0, 0];
  const along = (k) => dot(minus(colorOf(k), centre), direction);
  const dots = Array.from({ length: 9 }, (_, k) => handle(plot, {
    label: `Alpha of pixel ${k + 1}`, step: 4, shape: svg("circle", { r: 7, class: "mk-x-dot" }),
    at: () => [px(along(k)), py(get("alpha")[k])],
    move: ([, y], { by, way }) => {
      if (by === "key" && way[0]) return;
      const alpha = get("alpha").slice();
      alpha[k] = clamp((1 - (y - PLOT.top) / PLOT.height) * 1.2 - 0.1);
      put({ alpha });
    },
    said: () => number(get("alpha")[k]), value: () => get("alpha")[k],
  }, on));
  [...pixels, ...dots].forEach(({ node }, n) => {
    for (const name of ["focus", "pointerenter"]) node.addEventListener(name, () => { chosen = n % 9; mark(); }, on);
  });

  // --- The matrix --------------------------------------------------------------------------------------------------------
  const matrix = svg("svg", { viewBox: "0 0 218 218", class: "mk-x-matrix", tabindex: 0, role: "group", ...OWN_KEYS,
    "aria-label": "The window's 9 by 9 part of the matting Laplacian; arrow keys step through it" });
  const cells = Array.from({ length: 81 }, (_, n) => svg("rect", { x: 1 + 24 * (n % 9), y: 1 + 24 * Math.floor(n / 9), width: 23, height: 23, rx: 2 }));
  const frame = svg("rect", { class: "mk-x-frame", width: 25, height: 25, rx: 3, visibility: "hidden" });
  matrix.append(...cells, frame);
  const reading = make("p", { className: "mk-x-note mk-x-reading", role: "status" });
  const read = (n) => { cell = n; readout(); };
  matrix.addEventListener("pointermove", (event) => {
    const n = cells.indexOf(event.target);
    if (n >= 0) read(n);
  }, on);
  matrix.addEventListener("pointerdown", (event) => { const n = cells.indexOf(event.target); if (n >= 0) read(n); }, on);
  matrix.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -9, ArrowDown: 9 }[event.key];
    if (!way) return;
    event.preventDefault();
    const next = (cell ?? 40 - way) + way;
    if (next >= 0 && next < 81 && (Math.abs(way) === 9 || Math.floor(next / 9) === Math.floor((cell ?? 40) / 9))) read(next);
  }, on);
  let L = new Float64Array(81);
  function readout() {
    frame.setAttribute("visibility", cell === null ? "hidden" : "visible");
    if (cell === null) {
      reading.textContent = "Point at an entry. Orange: these two want equal alphas; blue: they pull apart. Every row sums to 0.";
      return;
    }
    const [i, j] = [Math.floor(cell / 9), cell % 9];
    set(frame, { x: 24 * j, y: 24 * i });
    const value = L[cell];
    reading.textContent = i === j ? `Pixel ${i + 1} with itself: ${number(value, 3)}.`
      : `Pixels ${i + 1} and ${j + 1}: ${number(value, 3)}. ${value < -0.005 ? "They want equal alphas." : value > 0.005 ? "They pull apart." : "They say nothing to each other."}`;
  }
  const mark = () => {
    [pixels, dots].forEach((list) => list.forEach(({ node }, k) => node.classList.toggle("mk-x-chosen", k === chosen)));
    tiles.forEach((tile, k) => tile.classList.toggle("mk-x-chosen", k === chosen));
  };
  const tiles = Array.from({ length: 9 }, (_, k) => make("i", { textContent: String(k + 1) }));
  const shades = Array.from({ length: 9 }, () => make("i"));

  // --- Controls ----------------------------------------------------------------------------------------------------------
  const zero = () => Array.from({ length: 9 }, () => [0, 0, 0]);
  const presets = Object.entries(PRESETS).map(([text, colors_]) => button(text, () => put({ ...colors_, shift: zero(), alpha: get("mix") }), on));
  presets.push(button("Noise", () => {
    // The same noise each time: what is learnt should not depend on luck.
    const noise = Array.from({ length: 9 }, (_, k) => [0, 1, 2].map((c) => 0.05 * Math.sin(12.9 * (3 * k + c + 1) + 4.1)));
    put({ shift: get("shift").map((one, k) => plus(one, noise[k])) });
  }, on));
  presets.push(button("Reset α", () => put({ alpha: get("mix") }), on));
  const turn = slider({ label: "turn", min: -3.14, max: 3.14, step: 0.02, show: (v) => `${number((v * 180) / Math.PI, 0)}°`, input: (angle) => put({ turn: angle }) }, on);
  const epsilon = slider({ label: "ε", min: -9, max: 0, step: 0.1, scale: EPSILON, show: power, said: (v) => v.toExponential(1), input: (value) => put({ epsilon: value }) }, on);
  const says = status();
  const facts = make("p", { className: "mk-x-facts mk-x-num" });
  el.append(
    make("div", { className: "mk-x-row mk-x-presets", role: "group", "aria-label": "Examples" }, ...presets), says.node,
    make("div", { className: "mk-x-columns" },
      make("div", { className: "mk-x-side" }, make("div", { className: "mk-x-plane" }, cube), turn.node,
        make("div", { className: "mk-x-row mk-x-tiles" },
          make("figure", {}, make("div", { className: "mk-x-nine" }, ...tiles), make("figcaption", { textContent: "the window" })),
          make("figure", {}, make("div", { className: "mk-x-nine" }, ...shades), make("figcaption", { textContent: "its α" })))),
      make("div", { className: "mk-x-side" }, plot, epsilon.node, facts,
        make("div", { className: "mk-x-matrixrow" }, matrix, reading))));
  el.classList.add("mk-x-window");

  return () => {
    const all = colors();
    const alpha = get("alpha");
    const flat = all.flat();
    found = fitWindow(flat, alpha, get("epsilon"));
    L = windowLaplacian(flat, 9, get("epsilon"));
    centre = moments(flat, 9).mean;
    const length = Math.hypot(...found.a);
    const other = minus(get("F1"), get("B1"));
    const axis = length > 1e-9 ? found.a : other;
    direction = Math.hypot(...axis) > 1e-9 ? scaled(1 / Math.hypot(...axis), axis) : [1, 0, 0];
    const far = Math.max(...all.map((_, k) => Math.abs(along(k))));
    reach = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6].find((value) => value > far * 1.05) ?? 1.6;
    xLabel.textContent = `± ${reach}`;

    for (const [line, from, to] of edges) {
      const [p, q] = [project(from), project(to)];
      set(line, { x1: p[0], y1: p[1], x2: q[0], y2: q[1] });
    }
    for (const [node, at] of axes) { const p = project(at); set(node, { x: p[0], y: p[1] + 4 }); }
    for (const [node, name] of layers) {
      const [p, q] = [project(get(`${name}1`)), project(get(`${name}2`))];
      set(node, { x1: p[0], y1: p[1], x2: q[0], y2: q[1] });
    }
    ties.forEach((node, k) => {
      const { F, B } = parts(k);
      const [p, q] = [project(F), project(B)];
      set(node, { x1: p[0], y1: p[1], x2: q[0], y2: q[1] });
    });
    const value = (t) => length * t + dot(found.a, centre) + found.b;
    // In the inner picture's own coordinates.
    set(fitted, { x1: 0, x2: PLOT.width, y1: py(value(-reach)) - PLOT.top, y2: py(value(reach)) - PLOT.top });
    all.forEach((color, k) => {
      pixels[k].update();
      dots[k].update();
      pixels[k].shape.style.fill = css(color);
      dots[k].shape.style.fill = css(color);
      tiles[k].style.background = css(color);
      tiles[k].style.color = bright(color) ? "#000" : "#fff";
      shades[k].style.background = css([alpha[k], alpha[k], alpha[k]]);
      const at = px(along(k));
      set(offs[k], { x1: at, x2: at, y1: py(alpha[k]), y2: clamp(py(value(along(k))), PLOT.top, PLOT.top + PLOT.height) });
    });
    ends.forEach((one, n) => { one.update(); one.shape.style.fill = css(get(endNames[n])); });
    const most = Math.max(...L.map(Math.abs), 1e-12);
    cells.forEach((node, n) => {
      const share = Math.sqrt(Math.abs(L[n]) / most);
      node.style.fill = `color-mix(in srgb, var(${L[n] > 0 ? "--fore" : "--back"}) ${(100 * share).toFixed(0)}%, var(--faint))`;
    });
    readout();
    mark();
    turn.put(get("turn"));
    epsilon.put(get("epsilon"));
    facts.textContent = `a = (${found.a.map((v) => number(v)).join(", ")}),  b = ${number(found.b)},  cost αᵀLα = ${short(found.cost)}`;
    put({ colors: all, a: found.a, b: found.b, cost: found.cost });

    const one = (name) => Math.hypot(...minus(get(`${name}1`), get(`${name}2`))) < 0.03;
    const [u, v, w] = [minus(get("F1"), get("F2")), minus(get("B1"), get("B2")), minus(get("F2"), get("B2"))];
    const volume = Math.abs(u[0] * (v[1] * w[2] - v[2] * w[1]) - u[1] * (v[0] * w[2] - v[2] * w[0]) + u[2] * (v[0] * w[1] - v[1] * w[0]));
    const dragged = get("shift").some((s) => Math.hypot(...s) > 0.01);
    const changed = alpha.some((a, k) => Math.abs(a - get("mix")[k]) > 0.01);
    const cheap = found.cost < 1e-4;
    let text;
    if (changed) text = `This alpha is not the true mixture: colours alike want alphas alike, and it costs ${short(found.cost)}.`;
    else if (dragged) text = `Some pixels are no mixture of points on the two lines. No affine function meets them all: even the true alpha costs ${short(found.cost)}.`;
    else if (one("F") && one("B")) text = "Both layers constant: all colours lie on one line, and α grows evenly along it. One channel would be enough.";
    else if (one("F") || one("B")) text = "One layer is a single colour: the pixels fill a triangle, and α is affine on it. It costs nothing still.";
    else if (volume < 0.02) text = `The two lines lie in one plane: a colour there is a mixture in more than one way, and the true alpha costs ${short(found.cost)}.`;
    else if (cheap) text = "Each layer on a line, and the lines skew: α is exactly affine in colour, and the true alpha costs nothing. That is the paper's theorem.";
    else text = `A large ε asks for a flat a: the line leaves the points, and even the true alpha costs ${short(found.cost)}.`;
    says.put(text);
  };
}

export default explorable(build);
