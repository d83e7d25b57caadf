// Un-mix a pixel: C is a mixture of F and B. Drag the three in a plane of colours (red across, green up); see alpha, and
// which alphas stay possible when F, B or both are unknown.
import { clamp, leastShare, minus, mix, plus, scaled, unmix } from "./core.js";
import { choices, css, explorable, handle, make, number, set, slider, spoken, status, svg } from "./kit.js";

const SIDE = 360;
const PAD = 26;
const x = (color) => PAD + color[0] * SIDE;
const y = (color) => PAD + (1 - color[1]) * SIDE;

const MODES = { both: "both", background: "only B", foreground: "only F", neither: "neither" };
const span = (u, v) => Math.hypot(...minus(u, v));

/** Colours a layer may have, channel by channel, when it makes up the share s of C and the other may be anything. */
function box(C, s) {
  return C.map((value) => (s > 0 ? [clamp((value - (1 - s)) / s), clamp(value / s)] : [0, 1]));
}

/** Alphas still possible: [lowest, highest]. */
function possible(C, F, B, known) {
  if (known === "background") return [leastShare(C, B), 1];
  if (known === "foreground") return [0, 1 - leastShare(C, F)];
  return [0, 1];
}

function build({ model, el, on, put }) {
  const blue = model.get("blue");
  const get = (name) => model.get(name);

  const field = make("canvas", { width: 96, height: 96, className: "mk-x-field" });
  const pen = field.getContext("2d");
  const dots = pen.createImageData(96, 96);
  for (let k = 0; k < 96 * 96; k += 1) {
    dots.data.set([(255 * (k % 96)) / 95, 255 * (1 - Math.floor(k / 96) / 95), 255 * blue, 255], 4 * k);
  }
  pen.putImageData(dots, 0, 0);
  const plane = svg("svg", { viewBox: `0 0 ${SIDE + 2 * PAD} ${SIDE + 2 * PAD}`, class: "mk-x-over", role: "group",
    "aria-label": "A plane of colours: red to the right, green upwards" });
  const line = (name) => { const node = svg("g", { class: name }, svg("line", { class: "case" }), svg("line")); plane.append(node); return node; };
  const areas = ["F", "B"].map((layer) => svg("rect", { class: "mk-x-area", rx: 3, "data-layer": layer }));
  plane.append(...areas);
  const join = line("mk-x-join");
  const ray = line("mk-x-ray");
  const off = line("mk-x-off");
  const ticks = svg("g", { class: "mk-x-ticks" });
  const ends = [0, 1].map(() => svg("text", { class: "mk-x-name", "text-anchor": "middle" }));
  plane.append(ticks, ...ends,
    svg("text", { class: "mk-x-axis", x: PAD, y: SIDE + PAD + 18 }, "red →"),
    svg("text", { class: "mk-x-axis", transform: `translate(${PAD - 8} ${SIDE + PAD}) rotate(-90)` }, "green →"));

  const colorAt = ([px, py]) => [clamp((px - PAD) / SIDE), clamp(1 - (py - PAD) / SIDE), blue];

  /** Set some of C, F, B and alpha, and let the rest follow from what is known. */
  function settle(next, held) {
    let { C, F, B, alpha, known } = { C: get("C"), F: get("F"), B: get("B"), alpha: get("alpha"), known: get("known"), ...next };
    const range = possible(C, F, B, known);
    const inside = (value) => clamp(value, range[0], range[1]);
    const unit = (color) => color.map((value, c) => (c === 2 ? blue : clamp(value)));
    if (known === "both") {
      if (held === "alpha") C = unit(mix(alpha, F, B));
      else alpha = clamp(unmix(C, F, B) ?? alpha);
    } else if (known === "background") {
      if (held === "F") {
        const way = minus(C, B);
        const far = span(C, B) > 1e-6 ? (F[0] - B[0]) * way[0] + (F[1] - B[1]) * way[1] : 0;
        alpha = far > 0 ? span(C, B) ** 2 / far : 1;
      }
      alpha = inside(alpha);
      if (alpha > 1e-6) F = unit(plus(B, scaled(1 / alpha, minus(C, B))));
    } else if (known === "foreground") {
      if (held === "B") {
        const way = minus(C, F);
        const far = span(C, F) > 1e-6 ? (B[0] - F[0]) * way[0] + (B[1] - F[1]) * way[1] : 0;
        alpha = far > 0 ? 1 - span(C, F) ** 2 / far : 0;
      }
      alpha = inside(alpha);
      if (alpha < 1 - 1e-6) B = unit(plus(F, scaled(1 / (1 - alpha), minus(C, F))));
    } else if (held === "B") {
      B = B.map((value, c) => clamp(value, ...box(C, 1 - alpha)[c]));
      if (alpha > 1e-6) F = unit(scaled(1 / alpha, minus(C, scaled(1 - alpha, B))));
    } else {
      F = F.map((value, c) => clamp(value, ...box(C, alpha)[c]));
      if (alpha < 1 - 1e-6) B = unit(scaled(1 / (1 - alpha), minus(C, scaled(alpha, F))));
    }
    put({ C, F, B, alpha, known, alpha_range: known === "both" ? [alpha, alpha] : range });
  }

  const names = { F: "Foreground colour F", B: "Background colour B", C: "The pixel's colour C" };
  const shapes = {
    F: svg("circle", { r: 11, class: "mk-x-dot" }),
    B: svg("rect", { x: -10, y: -10, width: 20, height: 20, rx: 2, class: "mk-x-dot" }),
    C: svg("path", { d: "M0 -13L13 0L0 13L-13 0Z", class: "mk-x-dot" }),
  };
  const handles = Object.fromEntries(["B", "F", "C"].map((name) => [name, handle(plane, {
    label: names[name], text: name, shape: shapes[name], step: SIDE / 50,
    at: () => [x(get(name)), y(get(name))],
    move: (place) => settle({ [name]: colorAt(place) }, name),
    said: () => spoken(get(name)),
    value: () => get(name)[0],
  }, on)]));

  const mode = choices({ label: "What is known of the layers", options: MODES, input: (known) => settle({ known }, null) }, on);
  const ruler = slider({ label: "α", step: 0.005, show: (v) => number(v), input: (alpha) => settle({ alpha }, "alpha"),
    said: (v) => `alpha ${number(v)}` }, on);
  const allowed = make("div", { className: "mk-x-allowed", "aria-hidden": "true" });
  const track = make("div", { className: "mk-x-track" }, allowed);
  ruler.range.replaceWith(track);
  track.append(ruler.range);
  const swatch = (name) => make("span", { className: "mk-x-swatch" }, make("i", { "aria-hidden": "true" }), make("b", { textContent: name }));
  const sw = { C: swatch("C"), F: swatch("F"), B: swatch("B") };
  const share = make("span", { className: "mk-x-num" });
  const rest = make("span", { className: "mk-x-num" });
  const says = status();
  el.append(make("div", { className: "mk-x-columns" },
    make("div", { className: "mk-x-plane" }, field, plane),
    make("div", { className: "mk-x-side" },
      make("div", { className: "mk-x-row" }, make("span", { className: "mk-x-label", textContent: "You know" }), mode.node),
      make("div", { className: "mk-x-sum", "aria-hidden": "true" }, sw.C, make("span", { textContent: "=" }), share, sw.F,
        make("span", { textContent: "+" }), rest, sw.B),
      ruler.node, says.node)));

  const segment = (node, from, to) => {
    for (const one of node.children) set(one, { x1: x(from), y1: y(from), x2: x(to), y2: y(to) });
  };

  return () => {
    const [C, F, B, alpha, known] = ["C", "F", "B", "alpha", "known"].map(get);
    const [low, high] = possible(C, F, B, known);
    mode.put(known);
    ruler.put(alpha);
    for (const name of "FBC") {
      handles[name].update();
      handles[name].shape.style.fill = css(get(name));
      sw[name].firstChild.style.background = css(get(name));
    }
    handles.F.node.classList.toggle("mk-x-guess", known === "background" || known === "neither");
    handles.B.node.classList.toggle("mk-x-guess", known === "foreground" || known === "neither");
    share.textContent = number(alpha);
    rest.textContent = number(1 - alpha);
    const range = known === "both" ? [0, 1] : [low, high];
    set(allowed, { style: `left:${100 * range[0]}%;width:${100 * (range[1] - range[0])}%` });
    allowed.hidden = known === "both";
    segment(join, B, F);
    const mixed = mix(alpha, F, B);
    const miss = span(C, mixed);
    off.style.display = known === "both" && miss > 0.004 ? "" : "none";
    segment(off, C, mixed);
    ticks.replaceChildren(...(known === "both" ? [0.25, 0.5, 0.75] : []).map((t) => {
      const at = mix(t, F, B);
      return svg("circle", { cx: x(at), cy: y(at), r: 3 });
    }));
    // The known layer's opposite lies on a ray: from C itself, where it is all there is, to the border of all colours.
    const open = known === "background" || known === "foreground";
    ray.style.display = open ? "" : "none";
    ends.forEach((node) => { node.style.display = open ? "" : "none"; });
    if (open) {
      const from = known === "background" ? B : F;
      const least = known === "background" ? low : 1 - high;
      const border = least > 1e-6 ? plus(from, scaled(1 / least, minus(C, from))) : C;
      segment(ray, C, border);
      const place = (node, color, value) => {
        // Beside the line, on the side that has more room.
        const along = minus(color, from);
        const length = Math.hypot(along[0], along[1]) || 1;
        const side = (color[0] - 0.5) * along[1] - (color[1] - 0.5) * along[0] > 0 ? -1 : 1;
        const left = clamp(x(color) + (side * 34 * along[1]) / length, PAD + 36, SIDE + PAD - 36);
        let top = clamp(y(color) + (side * 34 * along[0]) / length + 5, PAD + 18, SIDE + PAD - 10);
        const free = known === "background" ? F : B;
        // Not over the handle that slides there.
        if (Math.abs(left - x(free)) < 56 && Math.abs(top - 5 - y(free)) < 34) top = y(free) + (y(free) < SIDE / 2 ? 44 : -40);
        set(node, { x: left, y: top });
        node.textContent = `α = ${number(value)}`;
      };
      place(ends[0], border, known === "background" ? low : high);
      ends[1].style.display = "none";
    }
    areas.forEach((node) => {
      const layer = node.dataset.layer;
      const [red, green] = box(C, layer === "F" ? alpha : 1 - alpha);
      node.style.display = known === "neither" ? "" : "none";
      set(node, { x: PAD + red[0] * SIDE, y: PAD + (1 - green[1]) * SIDE, width: Math.max(1, (red[1] - red[0]) * SIDE),
        height: Math.max(1, (green[1] - green[0]) * SIDE) });
    });
    const words = {
      both: miss > 0.004
        ? `No mixture of F and B is exactly C. The nearest one has α = ${number(alpha)} and misses it by ${number(miss, 3)}.`
        : `C lies on the line from B to F: ${number(alpha)} of the way. That is α.`,
      background: `F lies beyond C, somewhere on the bright line. A known background rules out the alphas below ${number(low)}, and no more.`,
      foreground: `B lies beyond C, somewhere on the bright line. A known foreground rules out the alphas above ${number(high)}, and no more.`,
      neither: "Every α is possible. For the one you choose, F may lie anywhere in its frame, and B follows from it.",
    };
    says.put(words[known]);
  };
}

export default explorable(build);
