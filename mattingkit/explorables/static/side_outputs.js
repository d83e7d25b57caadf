// Side outputs: U²-Net answers at six sizes, and a weighted sum makes one map of them. Look at each; leave some out.
import { clamp } from "./core.js";
import { bitmap, button, choices, explorable, make, number, status } from "./kit.js";

const VIEWS = { map: "Map", cutout: "On the photo", error: "Difference" };

function build({ model, el, on, put }) {
  const get = (name) => model.get(name);
  const { side, range, weights, bias, sizes } = get("numbers");
  const count = side * side;
  let logits = null;
  let photo = null;
  let matte = null;

  const tile = (k) => {
    const canvas = make("canvas", { width: side, height: side, className: "mk-x-shot" });
    const look = make("button", { type: "button", className: "mk-x-look", "aria-label": k ? `Look at side output ${k}, ${sizes[k - 1]} pixels a side` : "Look at the fused map" },
      make("div", { className: "mk-x-frame4", style: "aspect-ratio:1" }, canvas));
    look.addEventListener("click", () => put({ shown: k }), on);
    const node = make("div", { className: "mk-x-tile" }, look);
    let box = null;
    if (k) {
      box = make("input", { type: "checkbox", "aria-label": `Side output ${k} in the sum` });
      box.addEventListener("change", () => put({ used: get("used").map((one, n) => (n === k - 1 ? box.checked : one)) }), on);
      node.append(make("label", {}, box, make("span", { textContent: `${k}`, className: "mk-x-num" }), make("small", { textContent: `${sizes[k - 1]}\u00a0px, ×\u00a0${number(weights[k - 1])}` })));
    } else node.append(make("div", { className: "mk-x-fusedname" }, make("b", { textContent: "fused" })));
    return { node, look, canvas, box };
  };
  const tiles = Array.from({ length: 7 }, (_, k) => tile(k));
  const large = make("canvas", { width: 2 * side, height: 2 * side, className: "mk-x-shot", role: "img" });
  const original = make("canvas", { width: 2 * side, height: 2 * side, className: "mk-x-shot", role: "img", "aria-label": "The photograph" });
  const view = choices({ label: "Show as", options: VIEWS, input: (name) => put({ view: name }) }, on);
  const all = button("All in", () => put({ used: Array(6).fill(true) }), on);
  const caption = make("figcaption");
  const says = status();
  const pane = (canvas, below) => make("figure", { className: "mk-x-pane" }, make("div", { className: "mk-x-frame4", style: "aspect-ratio:1" }, canvas), below);
  el.classList.add("mk-x-sides");
  el.setAttribute("aria-busy", "true");
  el.append(make("div", { className: "mk-x-row" }, view.node, all),
    make("div", { className: "mk-x-maps" },
      make("div", { className: "mk-x-two" }, pane(original, make("figcaption", { textContent: "The photograph" })), pane(large, caption)),
      make("div", { className: "mk-x-seven", role: "group", "aria-label": "The maps" }, ...tiles.map((one) => one.node))), says.node);

  const sigmoid = (value) => 1 / (1 + Math.exp(-value));
  /** One map in [0, 1]: 0 is the sum of those in use, others the side outputs. */
  function map(k) {
    const out = new Float64Array(count);
    const used = get("used");
    for (let i = 0; i < count; i += 1) {
      let value = bias;
      if (k) value = logits[(k - 1) * count + i];
      else for (let n = 0; n < 6; n += 1) if (used[n]) value += weights[n] * logits[n * count + i];
      out[i] = sigmoid(value);
    }
    return out;
  }
  const gray = (values) => {
    const image = new ImageData(side, side);
    for (let i = 0; i < count; i += 1) {
      const level = 255 * values[i];
      image.data.set([level, level, level, 255], 4 * i);
    }
    return image;
  };
  function paintLarge(values) {
    const pen = large.getContext("2d");
    const small = make("canvas", { width: side, height: side });
    const name = get("view");
    let image = gray(values);
    if (name === "error") {
      for (let i = 0; i < count; i += 1) {
        const off = clamp(values[i] - matte[4 * i] / 255, -1, 1);
        const hue = off > 0 ? [213, 94, 0] : [0, 114, 178];
        for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = 250 + Math.abs(off) * (hue[c] - 250);
      }
    }
    small.getContext("2d").putImageData(image, 0, 0);
    pen.imageSmoothingQuality = "high";
    pen.drawImage(small, 0, 0, 2 * side, 2 * side);
    if (name === "cutout") {
      image = pen.getImageData(0, 0, 2 * side, 2 * side);
      for (let i = 0; i < 4 * count; i += 1) {
        const a = image.data[4 * i] / 255;
        for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = a * photo[4 * i + c] + (1 - a) * [67, 142, 219][c];
      }
      pen.putImageData(image, 0, 0);
    }
  }
  const off = (values) => values.reduce((sum, value, i) => sum + Math.abs(value - matte[4 * i] / 255), 0) / count;

  async function read(bytes, height, width) {
    const canvas = make("canvas", { width, height });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(await bitmap(bytes), 0, 0, width, height);
    return pen.getImageData(0, 0, width, height).data;
  }
  let drawn = "";
  let update = () => {};
  Promise.all([read(get("maps"), 6 * side, side), read(get("photo"), 2 * side, 2 * side), read(get("matte"), side, side)]).then(([maps, colors, truth]) => {
    logits = Float64Array.from({ length: 6 * count }, (_, i) => (maps[4 * i] / 255 - 0.5) * 2 * range);
    [photo, matte] = [colors, truth];
    original.getContext("2d").putImageData(new ImageData(photo, 2 * side, 2 * side), 0, 0);
    for (let k = 1; k < 7; k += 1) tiles[k].canvas.getContext("2d").putImageData(gray(map(k)), 0, 0);
    el.removeAttribute("aria-busy");
    update();
  });

  update = () => {
    const [used, shown] = [get("used"), get("shown")];
    view.put(get("view"));
    tiles.forEach(({ look, box }, k) => {
      look.setAttribute("aria-pressed", String(k === shown));
      if (box) box.checked = used[k - 1];
    });
    all.disabled = used.every(Boolean);
    if (!logits) return;
    const key = JSON.stringify([used, shown, get("view")]);
    if (key === drawn) return;
    drawn = key;
    const fused = map(0);
    tiles[0].canvas.getContext("2d").putImageData(gray(fused), 0, 0);
    const seen = shown ? map(shown) : fused;
    paintLarge(seen);
    const title = shown ? `Side output ${shown}` : used.every(Boolean) ? "The fused map" : "The sum of those in use";
    caption.textContent = get("view") === "error" ? `${title}: orange too much, blue too little` : title;
    large.setAttribute("aria-label", caption.textContent);
    const errors = [fused, ...[1, 2, 3, 4, 5, 6].map(map)].map(off);
    const best = errors.indexOf(Math.min(...errors));
    const mean = shown ? errors[shown] : errors[0];
    says.put(`${title} differs from a careful drawing by ${number(mean, 3)} on average. ${
      best === shown ? "None of the others comes closer." : `${best ? `Side output ${best}` : "The fused map"} comes closest, with ${number(errors[best], 3)}.`} ${
      shown > 3 ? "So small a map says what the subject is, and hardly where it ends." : shown ? "A large map knows the outline." : "Take one out of the sum, and see what it was worth."}`);
    put({ error: mean });
  };
  return update;
}

export default explorable(build);
