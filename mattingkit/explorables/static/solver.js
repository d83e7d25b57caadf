// The worker behind "Scribble here". It keeps one picture with its reduced copies, and answers one request at a time:
//   { picture, height, width }       a new picture, as the bytes of an ImageData
//   { id, labels, task }             alpha for a trimap of bytes 0, 1 and 2 (unknown); the task is one of
//     "preview"   all but the finest level, while a stroke is under way
//     "answer"    all levels, within a blink
//     "finish"    the colours of the foreground, then all levels as far as they go, then its colours
//     "watch"     the iterates of all levels, from nothing
//     "enlarge"   the cut-out of the photograph as large as it came: { full, fullHeight, fullWidth }, the bytes of an ImageData
import { HAZE, Matter, UNKNOWN, clamp, estimateAlpha, estimateForeground, scalesFor } from "./core.js";

let matter = null;
let starts = new Map();

// Loops, as from() with a function takes ten times as long.
function bytes(values) {
  const out = new Uint8ClampedArray(values.length);
  for (let i = 0; i < out.length; i += 1) out[i] = 255 * values[i];
  return out;
}

function levels(labels) {
  const out = new Float64Array(labels.length);
  for (let i = 0; i < out.length; i += 1) out[i] = labels[i] === 2 ? UNKNOWN : labels[i];
  return out;
}

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

/**
 * Apply the finest level's linear model to the photograph at its own size, as Python does for large pictures, and take
 * the colours of the foreground from the reduced picture where little of it shows. Writes into `full`.
 */
function enlarge(full, fullHeight, fullWidth, trimap, { finest, alpha }) {
  const { height, width, picture } = matter;
  const { model, scale, height: rows, width: columns } = finest;
  const F = estimateForeground(picture, alpha, height, width);
  const stretch = 1 / (1 - 2 * HAZE);
  const inside = (value, last) => Math.min(Math.max(value, 0), last);
  for (let y = 0, i = 0; y < fullHeight; y += 1) {
    const near = ((y + 0.5) * height) / fullHeight;
    const row = Math.floor(near);
    const v = inside(near / scale - 0.5, rows - 1);
    const v0 = Math.floor(v);
    const v1 = Math.min(v0 + 1, rows - 1);
    const fy = v - v0;
    for (let x = 0; x < fullWidth; x += 1, i += 4) {
      const across = ((x + 0.5) * width) / fullWidth;
      const j = row * width + Math.floor(across);
      const u = inside(across / scale - 0.5, columns - 1);
      const u0 = Math.floor(u);
      const u1 = Math.min(u0 + 1, columns - 1);
      const fx = u - u0;
      const a = 4 * (v0 * columns + u0);
      const b = 4 * (v0 * columns + u1);
      const c = 4 * (v1 * columns + u0);
      const d = 4 * (v1 * columns + u1);
      const at = (k) => (1 - fy) * ((1 - fx) * model[a + k] + fx * model[b + k]) + fy * ((1 - fx) * model[c + k] + fx * model[d + k]);
      const value = at(3) + (at(0) * full[i] + at(1) * full[i + 1] + at(2) * full[i + 2]) / 255;
      const share = trimap[j] === UNKNOWN ? clamp((value - HAZE) * stretch) : trimap[j];
      for (let k = 0; k < 3; k += 1) full[i + k] = share * full[i + k] + (1 - share) * 255 * F[3 * j + k];
      full[i + 3] = 255 * share;
    }
  }
}

onmessage = ({ data }) => {
  if (data.picture) {
    take(data);
    return;
  }
  const began = performance.now();
  const { id, labels, task } = data;
  const trimap = levels(labels);
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
  if (task === "preview" || task === "answer") {
    tell({ alpha: bytes(found.alpha), done: true });
    return;
  }
  if (task === "enlarge") {
    const { full, fullHeight, fullWidth } = data;
    enlarge(full, fullHeight, fullWidth, trimap, estimateAlpha(matter, trimap, { starts, again: true, precision: 0.02 }));
    tell({ full, fullHeight, fullWidth, done: true });
    return;
  }
  tell({ foreground: bytes(estimateForeground(picture, found.alpha, height, width)) });
  const full = estimateAlpha(matter, trimap, { starts, again: true, precision: 0.02 });
  tell({ alpha: bytes(full.alpha) });
  tell({ foreground: bytes(estimateForeground(picture, full.alpha, height, width)), done: true });
};
