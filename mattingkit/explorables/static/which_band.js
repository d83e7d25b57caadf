// Which band? A hard mask is widened into an unknown band; closed-form matting fills it in. Too narrow a band leaves mixed
// pixels outside, too wide a one leaves too much open. Everything was computed beforehand, on scenes whose truth is known.
import { clamp } from "./core.js";
import { bitmap, button, choices, explorable, handle, make, number, set, slider, status, svg } from "./kit.js";

const PLOT = { left: 44, top: 14, width: 420, height: 170 };
const SCENES = { hair: "Hair", motion_blur: "Motion blur" };
const VIEWS = { trimap: "Trimap", alpha: "Alpha", error: "Error" };

async function pixels(bytes, type, height, width) {
  const canvas = make("canvas", { width, height });
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(await bitmap(bytes, type), 0, 0);
  return pen.getImageData(0, 0, width, height).data;
}

function build({ model, el, on, put, changed }) {
  const get = (name) => model.get(name);
  const scene = () => get("scenes")[get("scene")];
  const loaded = {};
  const [height, width] = scene().shape;

  function load(name) {
    loaded[name] = "coming";
    el.setAttribute("aria-busy", "true");
    const { shape: [h, w], widths } = get("scenes")[name];
    Promise.all([pixels(get(`${name}_photo`), "image/webp", h, w), pixels(get(`${name}_alphas`), "image/webp", h * widths.length, w),
      pixels(get(`${name}_truth`), "image/webp", h, w), pixels(get(`${name}_first`), "image/png", h, w)]).then(([photo, alphas, truth, first]) => {
      loaded[name] = { photo, alphas, truth, first };
      el.removeAttribute("aria-busy");
      changed();
    });
  }

  const canvases = Object.fromEntries(["photo", "trimap", "alpha", "error"].map((name) => [name, make("canvas", { width, height, className: "mk-x-shot", role: "img" })]));
  const figure = (name, text) => make("figure", { className: `mk-x-pane mk-x-pane-${name}` },
    make("div", { className: "mk-x-frame4", style: `aspect-ratio:${width}/${height}` }, canvases[name]), make("figcaption", { textContent: text }));
  const errorCaption = "Error: blue too low, orange too high";

  const plot = svg("svg", { viewBox: `0 0 ${PLOT.left + PLOT.width + 16} ${PLOT.top + PLOT.height + 42}`, class: "mk-x-plot", role: "group",
    "aria-label": "Error against the width of the band" });
  const curve = svg("path", { class: "mk-x-curve" });
  const spots = svg("g", { class: "mk-x-steps" });
  const hard = svg("line", { class: "mk-x-top" });
  const hardText = svg("text", { class: "mk-x-axis", x: PLOT.left + 8 });
  const ticks = svg("g");
  plot.append(ticks, hard, hardText, curve, spots,
    svg("text", { class: "mk-x-axis", x: PLOT.left + PLOT.width / 2, y: PLOT.top + PLOT.height + 37, "text-anchor": "middle" }, "width of the band on either side, in pixels"),
    svg("text", { class: "mk-x-axis", transform: `translate(11 ${PLOT.top + PLOT.height / 2}) rotate(-90)`, "text-anchor": "middle" }, "error"));
  const ax = (w) => PLOT.left + (PLOT.width * Math.log2(w)) / 5;
  const highest = () => Math.max(scene().mask.SAD, ...scene().errors.map((one) => one.SAD)) * 1.06;
  const ay = (error) => PLOT.top + PLOT.height * (1 - error / highest());
  const index = () => clamp(get("index"), 0, scene().widths.length - 1);
  const dot = handle(plot, { label: "Width of the band", shape: svg("circle", { r: 9, class: "mk-x-dot mk-x-now" }),
    at: () => [ax(scene().widths[index()]), ay(scene().errors[index()].SAD)],
    move: ([px], { by, way }) => {
      if (by === "key") { put({ index: clamp(index() + (way[0] || -way[1]), 0, scene().widths.length - 1) }); return; }
      const near = scene().widths.map((w) => Math.abs(ax(w) - px));
      put({ index: near.indexOf(Math.min(...near)) });
    },
    said: () => `${scene().widths[index()]} pixels, error ${number(scene().errors[index()].SAD)}`, value: () => index() / (scene().widths.length - 1) }, on);

  const which = choices({ label: "Scene", options: SCENES, input: (name) => put({ scene: name }) }, on);
  const band = slider({ label: "Band", min: 0, max: scene().widths.length - 1, step: 1, show: (k) => `${scene().widths[k]} px`, input: (k) => put({ index: k }) }, on);
  const best = button("Best width", () => {
    const errors = scene().errors.map((one) => one.SAD);
    put({ index: errors.indexOf(Math.min(...errors)) });
  }, on);
  const says = status();
  el.classList.add("mk-x-bands");
  el.append(
    make("div", { className: "mk-x-row" }, which.node, make("div", { className: "mk-x-size" }, band.node), best),
    make("div", { className: "mk-x-four" }, figure("photo", "The picture"), figure("trimap", VIEWS.trimap), figure("alpha", VIEWS.alpha), figure("error", errorCaption)),
    make("div", { className: "mk-x-columns" }, plot, says.node));

  function paint() {
    const { photo, alphas, truth, first } = loaded[get("scene")];
    const offset = index() * width * height;
    const images = Object.fromEntries(Object.keys(canvases).map((name) => [name, new ImageData(width, height)]));
    for (let i = 0; i < width * height; i += 1) {
      const p = 4 * i;
      const unknown = (first[p] & 127) <= index();
      const level = unknown ? 128 : first[p] & 128 ? 255 : 0;
      const alpha = unknown ? alphas[4 * (offset + i)] : level;
      // A difference of a quarter has the full colour: small errors should be seen.
      const off = clamp((4 * (alpha - truth[p])) / 255, -1, 1);
      for (let c = 0; c < 3; c += 1) {
        images.photo.data[p + c] = photo[p + c];
        images.trimap.data[p + c] = level;
        images.alpha.data[p + c] = alpha;
        const hue = off > 0 ? [213, 94, 0][c] : [0, 114, 178][c];
        images.error.data[p + c] = 250 + Math.abs(off) * (hue - 250);
      }
      for (const one of Object.values(images)) one.data[p + 3] = 255;
    }
    for (const [name, canvas] of Object.entries(canvases)) canvas.getContext("2d").putImageData(images[name], 0, 0);
  }

  let drawn = "";
  return () => {
    const name = get("scene");
    const { widths, errors, mask } = scene();
    const k = index();
    which.put(name);
    band.put(k);
    for (const [key, canvas] of Object.entries(canvases)) canvas.setAttribute("aria-label", `${key} of the ${SCENES[name].toLowerCase()} scene, band of ${widths[k]} pixels`);
    const top = highest();
    const stride = [0.1, 0.2, 0.5, 1, 2].find((one) => top / one < 6) ?? 5;
    ticks.replaceChildren(...[1, 2, 4, 8, 16, 32].flatMap((w) => [svg("line", { class: "mk-x-grid", x1: ax(w), x2: ax(w), y1: PLOT.top, y2: PLOT.top + PLOT.height }),
      svg("text", { class: "mk-x-axis", x: ax(w), y: PLOT.top + PLOT.height + 17, "text-anchor": "middle" }, String(w))]),
    ...Array.from({ length: Math.floor(top / stride) + 1 }, (_, n) => [svg("line", { class: "mk-x-grid", x1: PLOT.left, x2: PLOT.left + PLOT.width, y1: ay(n * stride), y2: ay(n * stride) }),
      svg("text", { class: "mk-x-axis", x: PLOT.left - 6, y: ay(n * stride) + 4, "text-anchor": "end" }, number(n * stride, stride < 1 ? 1 : 0))]).flat());
    set(hard, { x1: PLOT.left, x2: PLOT.left + PLOT.width, y1: ay(mask.SAD), y2: ay(mask.SAD) });
    hardText.setAttribute("y", ay(mask.SAD) - 5);
    hardText.textContent = "the hard mask itself";
    set(curve, { d: errors.map((one, n) => `${n ? "L" : "M"}${ax(widths[n]).toFixed(1)} ${ay(one.SAD).toFixed(1)}`).join("") });
    spots.replaceChildren(...errors.map((one, n) => svg("circle", { r: 3.5, cx: ax(widths[n]), cy: ay(one.SAD) })));
    dot.update();
    const least = Math.min(...errors.map((one) => one.SAD));
    const at = widths[errors.findIndex((one) => one.SAD === least)];
    const here = errors[k];
    says.put(`A band of ${widths[k]} pixels leaves ${number(100 * here.unknown, 0)} % of the picture open. Its error (SAD) is ${number(here.SAD)}; the hard mask's is ${number(mask.SAD)}. ${
      widths[k] < at ? "Some mixed pixels lie outside the band and stay black or white."
        : widths[k] > at ? "So much is open that colour has to decide what nobody marked." : "No width does better here."}`);
    put({ width: widths[k], error: here.SAD });
    if (!loaded[name]) load(name);
    else if (loaded[name] !== "coming" && drawn !== `${name} ${k}`) {
      drawn = `${name} ${k}`;
      paint();
    }
  };
}

export default explorable(build);
