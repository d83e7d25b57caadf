// Two Gaussians: foreground and background colours seen nearby, and a pixel C between them. Bayesian matting alternates:
// F and B for an alpha, alpha for those. Put in the best F and B once and for all, and one curve over alpha is left.
import { alternate, clamp, eliminated, likeliestColors, minus, mix } from "./core.js";
import { button, choices, css, explorable, handle, make, number, set, slider, spoken, status, svg } from "./kit.js";

const SIDE = 360;
const PAD = 26;
const BLUE = 0.5;
const PLOT = { left: 40, top: 14, width: 330, height: 210 };
const x = (color) => PAD + color[0] * SIDE;
const y = (color) => PAD + (1 - color[1]) * SIDE;
const colorAt = ([px, py]) => [clamp((px - PAD) / SIDE), clamp(1 - (py - PAD) / SIDE), BLUE];
const TITLES = { F: "foreground", B: "background" };

function build({ model, el, on, put }) {
  const get = (name) => model.get(name);
  /** A layer as mean and covariance: its ellipse has axes of `long` and `wide` standard deviations, turned by `angle`. */
  const layer = (name) => {
    const { mean, long, wide, angle } = get(name);
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    const [l, w] = [long * long, wide * wide];
    const cross = (l - w) * c * s;
    return { mean, cov: [l * c * c + w * s * s, cross, 0, cross, l * s * s + w * c * c, 0, 0, 0, 0] };
  };
  const shape = (name, values) => put({ [name]: { ...get(name), ...values }, trace: [] });

  const plane = svg("svg", { viewBox: `0 0 ${SIDE + 2 * PAD} ${SIDE + 2 * PAD}`, class: "mk-x-over mk-x-gauss", role: "group",
    "aria-label": "A plane of colours with two Gaussians: red to the right, green upwards" });
  plane.append(svg("rect", { x: PAD, y: PAD, width: SIDE, height: SIDE, rx: 4, class: "mk-x-paper" }),
    svg("text", { class: "mk-x-axis", x: PAD, y: SIDE + PAD + 18 }, "red →"),
    svg("text", { class: "mk-x-axis", transform: `translate(${PAD - 8} ${SIDE + PAD}) rotate(-90)` }, "green →"));
  const inner = svg("svg", { x: PAD, y: PAD, width: SIDE, height: SIDE, viewBox: `${PAD} ${PAD} ${SIDE} ${SIDE}`, style: "overflow:hidden" });
  plane.append(inner);
  const rings = { F: [], B: [] };
  for (const name of "BF") {
    for (const times of [3, 2, 1]) {
      const node = svg("ellipse", { class: `mk-x-gauss-${name}` });
      rings[name].push([node, times]);
      inner.append(node);
    }
  }
  const path = svg("g", { class: "mk-x-path" });
  const join = svg("line", { class: "mk-x-joined" });
  const spots = { F: svg("circle", { r: 6, class: "mk-x-best" }), B: svg("rect", { x: -5.5, y: -5.5, width: 11, height: 11, class: "mk-x-best" }) };
  inner.append(path, join, spots.F, spots.B);

  const handles = [];
  for (const name of "BF") {
    const toScreen = (distance, turn) => {
      const { mean, angle } = get(name);
      return [x(mean) + SIDE * distance * Math.cos(angle + turn), y(mean) - SIDE * distance * Math.sin(angle + turn)];
    };
    handles.push(handle(plane, { label: `Mean of the ${TITLES[name]}`, text: name === "F" ? "F̄" : "B̄", step: SIDE / 50, kind: `mk-x-of-${name}`,
      shape: name === "F" ? svg("circle", { r: 10, class: "mk-x-dot" }) : svg("rect", { x: -9, y: -9, width: 18, height: 18, rx: 2, class: "mk-x-dot" }),
      at: () => [x(get(name).mean), y(get(name).mean)], move: (place) => shape(name, { mean: colorAt(place) }),
      said: () => spoken(get(name).mean), value: () => get(name).mean[0] }, on));
    // One handle turns and stretches the long axis, the other stretches across; both stand two deviations out.
    const axis = (text, turn, key) => handle(plane, { label: text, step: 4, kind: `mk-x-axis-handle mk-x-of-${name}`, shape: svg("circle", { r: 6, class: "mk-x-dot" }),
      at: () => toScreen(2 * get(name)[key], turn),
      move: ([px, py]) => {
        const dx = (px - x(get(name).mean)) / SIDE;
        const dy = -(py - y(get(name).mean)) / SIDE;
        const { angle } = get(name);
        if (key === "long") shape(name, { long: clamp(Math.hypot(dx, dy) / 2, 0.01, 0.25), angle: Math.atan2(dy, dx) });
        else shape(name, { wide: clamp((Math.cos(angle + turn) * dx + Math.sin(angle + turn) * dy) / 2, 0.005, 0.25) });
      },
      said: () => `${number(get(name)[key], 3)}, turned by ${Math.round((get(name).angle * 180) / Math.PI)} degrees`, value: () => clamp(get(name)[key]) }, on);
    handles.push(axis(`Length and direction of the ${TITLES[name]}'s spread`, 0, "long"), axis(`Width of the ${TITLES[name]}'s spread`, Math.PI / 2, "wide"));
  }
  const pixel = handle(plane, { label: "The pixel's colour C", text: "C", step: SIDE / 50, shape: svg("path", { d: "M0 -12L12 0L0 12L-12 0Z", class: "mk-x-dot" }),
    at: () => [x(get("C")), y(get("C"))], move: (place) => put({ C: colorAt(place), trace: [] }),
    said: () => spoken(get("C")), value: () => get("C")[0] }, on);

  // --- The curve ---------------------------------------------------------------------------------------------------------
  const plot = svg("svg", { viewBox: `0 0 ${PLOT.left + PLOT.width + 16} ${PLOT.top + PLOT.height + 40}`, class: "mk-x-plot", role: "group",
    "aria-label": "The likelihood of every alpha, with the best F and B put in" });
  const ax = (alpha) => PLOT.left + PLOT.width * alpha;
  for (const value of [0, 0.25, 0.5, 0.75, 1]) {
    plot.append(svg("line", { class: "mk-x-grid", x1: ax(value), x2: ax(value), y1: PLOT.top, y2: PLOT.top + PLOT.height }),
      svg("text", { class: "mk-x-axis", x: ax(value), y: PLOT.top + PLOT.height + 17, "text-anchor": "middle" }, String(value)));
  }
  const label = svg("text", { class: "mk-x-axis", x: PLOT.left + PLOT.width / 2, y: PLOT.top + PLOT.height + 34, "text-anchor": "middle" }, "α");
  const high = svg("text", { class: "mk-x-axis", x: PLOT.left - 6, y: PLOT.top + 10, "text-anchor": "end" });
  const low = svg("text", { class: "mk-x-axis", x: PLOT.left - 6, y: PLOT.top + PLOT.height, "text-anchor": "end" });
  const title = svg("text", { class: "mk-x-axis", transform: `translate(12 ${PLOT.top + PLOT.height / 2}) rotate(-90)`, "text-anchor": "middle" }, "L(α)");
  const curve = svg("path", { class: "mk-x-curve" });
  const steps = svg("g", { class: "mk-x-steps" });
  const top = svg("line", { class: "mk-x-top" });
  plot.append(label, high, low, title, top, curve, steps);
  let scale = (value) => value;
  const start = handle(plot, { label: "Alpha, where the alternation stands", step: PLOT.width / 50, shape: svg("circle", { r: 9, class: "mk-x-dot mk-x-now" }),
    at: () => [ax(get("alpha")), scale(likelihood(get("alpha")))],
    move: ([px], { by, way }) => { if (by === "key" && way[1]) return; put({ alpha: clamp((px - PLOT.left) / PLOT.width), trace: [] }); },
    said: () => number(get("alpha")), value: () => get("alpha") }, on);
  const likelihood = (alpha) => eliminated(alpha, get("C"), layer("F"), layer("B"), get("sigma"), get("curve") === "integrated");

  // --- Controls ----------------------------------------------------------------------------------------------------------
  let timer = 0;
  const step = () => {
    const { alpha } = alternate(get("alpha"), get("C"), layer("F"), layer("B"), get("sigma"));
    const still = Math.abs(alpha - get("alpha")) < 1e-5;
    put({ trace: [...get("trace"), get("alpha")].slice(-60), alpha });
    return still;
  };
  const stop = () => { clearTimeout(timer); timer = 0; running.textContent = "Run"; };
  const running = button("Run", () => {
    if (timer) { stop(); return; }
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let left = 60;
    const next = () => {
      left -= 1;
      if (step() || left <= 0) stop();
      else if (calm) next();
      else timer = setTimeout(next, 140);
    };
    running.textContent = "Pause";
    timer = -1;
    next();
  }, on);
  on.signal.addEventListener("abort", stop);
  const anew = button("Start at ½", () => { stop(); put({ alpha: 0.5, trace: [] }); }, on);
  const sigma = slider({ label: make("span", {}, "σ", make("sub", { textContent: "C" })), min: Math.log10(0.003), max: Math.log10(0.3), step: 0.02, scale: { to: (v) => 10 ** v, from: (v) => Math.log10(v) },
    show: (v) => number(v, 3), input: (value) => put({ sigma: value, trace: [] }) }, on);
  const kind = choices({ label: "Curve", options: { eliminated: "best F and B", integrated: "all F and B" }, input: (name) => put({ curve: name }) }, on);
  const says = status();
  el.append(make("div", { className: "mk-x-columns" },
    make("div", { className: "mk-x-plane" }, plane),
    make("div", { className: "mk-x-side" },
      make("div", { className: "mk-x-row" }, button("Step", () => { stop(); step(); }, on, { className: "mk-x-main" }), running, anew),
      plot, sigma.node,
      make("div", { className: "mk-x-row" }, make("span", { className: "mk-x-label", textContent: "Curve with" }), kind.node), says.node)));

  return () => {
    const [F, B, C, alpha] = [layer("F"), layer("B"), get("C"), get("alpha")];
    for (const name of "FB") {
      const { mean, long, wide, angle } = get(name);
      for (const [node, times] of rings[name]) {
        set(node, { cx: x(mean), cy: y(mean), rx: SIDE * times * long, ry: SIDE * times * wide, transform: `rotate(${(-angle * 180) / Math.PI} ${x(mean)} ${y(mean)})` });
      }
    }
    handles.forEach((one) => one.update());
    handles[0].shape.style.fill = css(B.mean);
    handles[3].shape.style.fill = css(F.mean);
    pixel.update();
    pixel.shape.style.fill = css(C);
    const best = likeliestColors(alpha, C, F, B, get("sigma"));
    for (const name of "FB") {
      set(spots[name], { transform: `translate(${x(best[name])} ${y(best[name])})` });
      spots[name].style.fill = css(best[name]);
    }
    set(join, { x1: x(best.B), y1: y(best.B), x2: x(best.F), y2: y(best.F) });
    const past = get("trace").map((one) => likeliestColors(one, C, F, B, get("sigma")));
    path.replaceChildren(...["F", "B"].map((name) => svg("polyline", { points: [...past, best].map((one) => `${x(one[name])},${y(one[name])}`).join(" ") })));

    const values = Array.from({ length: 201 }, (_, k) => likelihood(k / 200));
    const greatest = Math.max(...values);
    const at = values.indexOf(greatest) / 200;
    // What is far less likely than the best is of no interest; the curve may run out of the picture below.
    const depth = clamp(greatest - Math.min(...values), 1e-3, 40);
    scale = (value) => PLOT.top + PLOT.height * clamp((greatest - value) / depth, 0, 1);
    set(curve, { d: values.map((value, k) => `${k ? "L" : "M"}${ax(k / 200).toFixed(1)} ${scale(value).toFixed(1)}`).join("") });
    set(top, { x1: ax(at), x2: ax(at), y1: PLOT.top, y2: PLOT.top + PLOT.height });
    high.textContent = number(greatest, 1);
    low.textContent = number(greatest - depth, depth < 1 ? 3 : 0);
    steps.replaceChildren(...get("trace").map((one) => svg("circle", { r: 4, cx: ax(one), cy: scale(likelihood(one)) })));
    start.update();
    sigma.put(get("sigma"));
    kind.put(get("curve"));
    const taken = get("trace").length;
    const miss = Math.hypot(...minus(C, mix(alpha, best.F, best.B)));
    says.put(`${taken === 1 ? "One step: " : taken ? `${taken} steps: ` : ""}α = ${number(alpha, 3)}. The curve is highest at ${number(at, 3)}${
      Math.abs(alpha - at) < 0.006 ? "; the alternation has found it." : taken ? "; the alternation is still on its way." : "."} F and B miss C by ${number(miss, 3)}.`);
    put({ best_alpha: at, best_F: best.F, best_B: best.B });
  };
}

export default explorable(build);
