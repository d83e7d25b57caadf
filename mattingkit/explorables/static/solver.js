// The worker behind "Scribble here". It keeps one picture with its reduced copies, and answers one request at a time:
//   { picture, height, width }       a new picture, as the bytes of an ImageData
//   { id, labels, task }             alpha for a trimap of bytes 0, 1 and 2 (unknown); the task is one of
//     "preview"   all but the finest level, while a stroke is under way
//     "answer"    all levels, within a blink
//     "finish"    the colours of the foreground, then all levels as far as they go, then its colours
//     "watch"     the iterates of all levels, from nothing
import { Matter, UNKNOWN, clamp, estimateAlpha, estimateForeground, scalesFor } from "./core.js";

let matter = null;
let starts = new Map();

const bytes = (values) => Uint8ClampedArray.from(values, (value) => 255 * value);

function take({ picture, height, width }) {
  const colors = new Float64Array(3 * height * width);
  for (let i = 0, k = 0; k < colors.length; i += 4, k += 3) {
    colors[k] = picture[i] / 255;
    colors[k + 1] = picture[i + 1] / 255;
    colors[k + 2] = picture[i + 2] / 255;
  }
  matter = new Matter(colors, height, width);
  starts = new Map();
  // What no stroke changes is made before the first one.
  for (const scale of scalesFor(height, width, height * width)) matter.at(scale);
  postMessage({ ready: true });
}

/** Which steps to show: all at first, fewer as they change less. */
const worth = (step) => step <= 6 || step === Math.round(6 * 1.35 ** Math.round(Math.log(step / 6) / Math.log(1.35)));

function frames(trimap) {
  const shown = [];
  const watch = ({ scale, step, height, width, cells, x }) => {
    if (worth(step)) {
      const alpha = new Uint8ClampedArray(height * width);
      for (let i = 0; i < alpha.length; i += 1) alpha[i] = 255 * (cells[i] === UNKNOWN ? clamp(x[i]) : cells[i]);
      shown.push({ scale, step, height, width, alpha });
    }
    return true;
  };
  estimateAlpha(matter, trimap, { watch });
  return shown;
}

onmessage = ({ data }) => {
  if (data.picture) {
    take(data);
    return;
  }
  const began = performance.now();
  const { id, labels, task } = data;
  const trimap = Float64Array.from(labels, (label) => (label === 2 ? UNKNOWN : label));
  const tell = (answer) => postMessage({ id, task, ms: performance.now() - began, ...answer });
  const { height, width, picture } = matter;
  if (task === "watch") {
    tell({ frames: frames(trimap), done: true });
    return;
  }
  const found = estimateAlpha(matter, trimap, { starts, skip: task === "preview" ? 1 : 0 });
  if (!found) {
    tell({ alpha: null, done: true });
    return;
  }
  if (task !== "finish") {
    tell({ alpha: bytes(found.alpha), done: true });
    return;
  }
  tell({ foreground: bytes(estimateForeground(picture, found.alpha, height, width)) });
  const full = estimateAlpha(matter, trimap, { starts, again: true, precision: 0.02 });
  tell({ alpha: bytes(full.alpha) });
  tell({ foreground: bytes(estimateForeground(picture, full.alpha, height, width)), done: true });
};
