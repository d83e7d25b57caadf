// Small numerics of matting: 3 × 3 systems, the matting Laplacian, conjugate gradients, and the chain of reduced
// pictures that carries a linear model up. Each function does what the Python function named beside it does; a test
// holds the two against each other.
//
// Pictures are Float64Array, three numbers a pixel, row by row, in [0, 1]; trimaps are Float64Array of 0, 0.5 and 1.

export const UNKNOWN = 0.5;

// --- 3 × 3 -------------------------------------------------------------------------------------------------------------

/** Inverse of a 3 × 3 matrix, both as nine numbers row by row (numpy.linalg.inv). Null where it has none. */
export function inverse3(m) {
  const [a, b, c, d, e, f, g, h, i] = m;
  const A = e * i - f * h;
  const B = f * g - d * i;
  const C = d * h - e * g;
  const det = a * A + b * B + c * C;
  if (!det) return null;
  return [A, c * h - b * i, b * f - c * e, B, a * i - c * g, c * d - a * f, C, b * g - a * h, a * e - b * d]
    .map((value) => value / det);
}

export const dot = (u, v) => u[0] * v[0] + u[1] * v[1] + u[2] * v[2];
export const minus = (u, v) => [u[0] - v[0], u[1] - v[1], u[2] - v[2]];
export const plus = (u, v) => [u[0] + v[0], u[1] + v[1], u[2] + v[2]];
export const scaled = (s, v) => [s * v[0], s * v[1], s * v[2]];
/** αF + (1 − α)B. */
export const mix = (alpha, F, B) => plus(scaled(alpha, F), scaled(1 - alpha, B));
export const times3 = (m, v) => [dot(m, v), dot(m.slice(3), v), dot(m.slice(6), v)];
export const clamp = (value, low = 0, high = 1) => Math.min(high, Math.max(low, value));

// --- One pixel ---------------------------------------------------------------------------------------------------------

/** Alpha of a pixel whose layers are known: C projected onto the line from B to F; null where F and B are one colour. */
export function unmix(C, F, B) {
  const across = minus(F, B);
  const length = dot(across, across);
  return length > 1e-12 ? dot(minus(C, B), across) / length : null;
}

/**
 * Alphas that a pixel C may have when one layer's colour is known, and the other may be any colour from 0 to 1.
 * Returns the lowest alpha for a known background; a known foreground's highest is 1 minus the same.
 */
export function leastShare(C, known) {
  let least = 0;
  for (let c = 0; c < C.length; c += 1) {
    const step = C[c] - known[c];
    // C = s X + (1 − s) known with X in [0, 1]: the share s of X is at least this.
    if (step > 0) least = Math.max(least, known[c] < 1 ? step / (1 - known[c]) : 1);
    else if (step < 0) least = Math.max(least, known[c] > 0 ? -step / known[c] : 1);
  }
  return Math.min(1, least);
}

/** S = α² Σ_F + (1 − α)² Σ_B + σ_C² 1, nine numbers. */
function spread(alpha, F, B, sigma) {
  const S = F.cov.map((value, k) => alpha * alpha * value + (1 - alpha) * (1 - alpha) * B.cov[k]);
  for (const k of [0, 4, 8]) S[k] += sigma * sigma;
  return S;
}

/**
 * The likelihood of an alpha once the best F and B are put in: −½ rᵀ S⁻¹ r with r = C − αF̄ − (1 − α)B̄. With `marginal`
 * F and B are integrated out instead, and −½ ln det S joins (up to a constant).
 * F and B are { mean, cov }: three numbers and nine.
 */
export function eliminated(alpha, C, F, B, sigma, marginal = false) {
  const S = spread(alpha, F, B, sigma);
  const r = minus(C, mix(alpha, F.mean, B.mean));
  const value = -0.5 * dot(r, times3(inverse3(S), r));
  if (!marginal) return value;
  const det = S[0] * (S[4] * S[8] - S[5] * S[7]) - S[1] * (S[3] * S[8] - S[5] * S[6]) + S[2] * (S[3] * S[7] - S[4] * S[6]);
  return value - 0.5 * Math.log(det);
}

/** F and B that are likeliest at a fixed alpha, within [0, 1] (energy.likeliest_colors). */
export function likeliestColors(alpha, C, F, B, sigma) {
  const v = times3(inverse3(spread(alpha, F, B, sigma)), minus(C, mix(alpha, F.mean, B.mean)));
  const toward = (layer, share) => plus(layer.mean, scaled(share, times3(layer.cov, v))).map((value) => clamp(value));
  return { F: toward(F, alpha), B: toward(B, 1 - alpha) };
}

/** One step of the alternation: F and B for this alpha, then alpha for those (energy.alternate). */
export function alternate(alpha, C, F, B, sigma) {
  const colors = likeliestColors(alpha, C, F, B, sigma);
  const found = unmix(C, colors.F, colors.B);
  return { ...colors, alpha: found === null ? alpha : clamp(found) };
}

// --- One window --------------------------------------------------------------------------------------------------------

/** Mean and covariance (six numbers, upper triangle row by row) of colours given as one flat array. */
export function moments(colors, count) {
  const mean = [0, 0, 0];
  for (let p = 0; p < 3 * count; p += 1) mean[p % 3] += colors[p] / count;
  const cov = [0, 0, 0, 0, 0, 0];
  for (let p = 0; p < count; p += 1) {
    const d = [0, 1, 2].map((c) => colors[3 * p + c] - mean[c]);
    let k = 0;
    for (let c = 0; c < 3; c += 1) for (let e = c; e < 3; e += 1) cov[k++] += (d[c] * d[e]) / count;
  }
  return { mean, cov };
}

/** A window's own part of the matting Laplacian: count × count numbers, row by row (equation 12, one term of the sum). */
export function windowLaplacian(colors, count, epsilon) {
  const { mean, cov } = moments(colors, count);
  const W = new Float64Array(6);
  whitener(cov[0], cov[1], cov[2], cov[3], cov[4], cov[5], Math.max(epsilon / count, 1e-14), W);
  const white = [];
  for (let p = 0; p < count; p += 1) {
    const [r, g, b] = [0, 1, 2].map((c) => colors[3 * p + c] - mean[c]);
    white.push([W[0] * r, W[1] * r + W[2] * g, W[3] * r + W[4] * g + W[5] * b]);
  }
  const L = new Float64Array(count * count);
  for (let p = 0; p < count; p += 1) {
    for (let q = 0; q < count; q += 1) L[p * count + q] = (p === q) - (1 + dot(white[p], white[q])) / count;
  }
  return L;
}

/** The affine function of colour that fits alpha best in a window: Σ (α − a·I − b)² + ε|a|² is least (equation 3). */
export function fitWindow(colors, alpha, epsilon) {
  const model = new Float64Array(4);
  const count = alpha.length;
  const { mean, cov } = moments(colors, count);
  const average = alpha.reduce((sum, value) => sum + value, 0) / count;
  const target = [0, 0, 0];
  for (let p = 0; p < count; p += 1) {
    for (let c = 0; c < 3; c += 1) target[c] += (colors[3 * p + c] - mean[c]) * (alpha[p] - average);
  }
  ridge(cov.map((value) => value * count), target, Math.max(epsilon, 1e-13), model);
  model[3] = average - dot(model, mean);
  let cost = epsilon * dot(model, model);
  for (let p = 0; p < count; p += 1) {
    const off = alpha[p] - dot(model, colors.slice(3 * p, 3 * p + 3)) - model[3];
    cost += off * off;
  }
  return { a: [model[0], model[1], model[2]], b: model[3], cost };
}

/** W with WᵀW = (Σ + floor·1)⁻¹, its six lower entries: accurate where a window is flat or of one hue. */
function whitener(rr, rg, rb, gg, gb, bb, floor, W) {
  const c00 = Math.sqrt(rr + floor);
  const c10 = rg / c00;
  const c20 = rb / c00;
  const c11 = Math.sqrt(Math.max(gg + floor - c10 * c10, floor));
  const c21 = (gb - c20 * c10) / c11;
  const c22 = Math.sqrt(Math.max(bb + floor - c20 * c20 - c21 * c21, floor));
  W[0] = 1 / c00;
  W[1] = -c10 / (c00 * c11);
  W[2] = 1 / c11;
  W[3] = (c10 * c21 - c11 * c20) / (c00 * c11 * c22);
  W[4] = -c21 / (c11 * c22);
  W[5] = 1 / c22;
}

/** a with (S + floor·1) a = target for six numbers S, by Cholesky, into out. */
function ridge(S, target, floor, out) {
  const c00 = Math.sqrt(S[0] + floor);
  const c10 = S[1] / c00;
  const c20 = S[2] / c00;
  const c11 = Math.sqrt(Math.max(S[3] + floor - c10 * c10, floor));
  const c21 = (S[4] - c20 * c10) / c11;
  const c22 = Math.sqrt(Math.max(S[5] + floor - c20 * c20 - c21 * c21, floor));
  const z0 = target[0] / c00;
  const z1 = (target[1] - c10 * z0) / c11;
  const z2 = (target[2] - c20 * z0 - c21 * z1) / c22;
  out[2] = z2 / c22;
  out[1] = (z1 - c21 * out[2]) / c11;
  out[0] = (z0 - c10 * out[1] - c20 * out[2]) / c00;
}

// --- The matting Laplacian ---------------------------------------------------------------------------------------------

// A pixel shares windows of 3 × 3 with 24 others; a symmetric matrix needs those after it in reading order: itself, two
// to its right, five in each of the two rows below. Entry k of pixel i stands at values[13 i + k].
const ENTRIES = 13;
const DOWN = [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2];
const RIGHT = [0, 1, 2, -2, -1, 0, 1, 2, -2, -1, 0, 1, 2];
const entryAt = (down, right) => (down === 0 ? right : 5 * down + right);

// Pixel pairs of a window in reading order, and where their entry stands.
const PAIRS = [];
for (let p = 0; p < 9; p += 1) {
  for (let q = p + 1; q < 9; q += 1) {
    PAIRS.push([p, q, entryAt(Math.floor(q / 3) - Math.floor(p / 3), (q % 3) - (p % 3))]);
  }
}

/**
 * The matting Laplacian of a picture for windows of 3 × 3 (laplacian.matting_laplacian).
 * Windows of known pixels alone are left out. Returns { height, width, values }: thirteen entries a pixel.
 */
export function mattingLaplacian(picture, height, width, epsilon, known = null) {
  const values = new Float64Array(ENTRIES * height * width);
  const floor = Math.max(epsilon / 9, 1e-14);
  const W = new Float64Array(6);
  const white = new Float64Array(27);
  const flat = new Int32Array(3 * PAIRS.length);
  PAIRS.forEach((pair, k) => flat.set([pair[0], pair[1], pair[2]], 3 * k));
  const at = new Int32Array(9);
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1; x < width - 1; x += 1) {
      let given = known !== null;
      let r = 0;
      let g = 0;
      let b = 0;
      for (let p = 0, v = -1; v <= 1; v += 1) {
        for (let u = -1; u <= 1; u += 1, p += 1) {
          const i = (y + v) * width + x + u;
          at[p] = i;
          if (given && known[i] === UNKNOWN) given = false;
          r += picture[3 * i];
          g += picture[3 * i + 1];
          b += picture[3 * i + 2];
        }
      }
      if (given) continue;
      r /= 9;
      g /= 9;
      b /= 9;
      let rr = 0;
      let rg = 0;
      let rb = 0;
      let gg = 0;
      let gb = 0;
      let bb = 0;
      for (let p = 0; p < 9; p += 1) {
        const i = 3 * at[p];
        const dr = picture[i] - r;
        const dg = picture[i + 1] - g;
        const db = picture[i + 2] - b;
        white[3 * p] = dr;
        white[3 * p + 1] = dg;
        white[3 * p + 2] = db;
        rr += dr * dr;
        rg += dr * dg;
        rb += dr * db;
        gg += dg * dg;
        gb += dg * db;
        bb += db * db;
      }
      whitener(rr / 9, rg / 9, rb / 9, gg / 9, gb / 9, bb / 9, floor, W);
      for (let p = 0; p < 27; p += 3) {
        const dr = white[p];
        const dg = white[p + 1];
        const db = white[p + 2];
        white[p] = W[0] * dr;
        white[p + 1] = W[1] * dr + W[2] * dg;
        white[p + 2] = W[3] * dr + W[4] * dg + W[5] * db;
      }
      for (let k = 0; k < flat.length; k += 3) {
        const p = flat[k];
        const q = flat[k + 1];
        const value = (1 + white[3 * p] * white[3 * q] + white[3 * p + 1] * white[3 * q + 1]
          + white[3 * p + 2] * white[3 * q + 2]) / 9;
        values[ENTRIES * at[p] + flat[k + 2]] -= value;
        // Rows sum to 0.
        values[ENTRIES * at[p]] += value;
        values[ENTRIES * at[q]] += value;
      }
    }
  }
  return { height, width, values };
}

/** The whole matrix of a small Laplacian, row by row: to look at, and for tests. */
export function dense({ height, width, values }) {
  const n = height * width;
  const full = new Float64Array(n * n);
  for (let i = 0; i < n; i += 1) {
    for (let k = 0; k < ENTRIES; k += 1) {
      const value = values[ENTRIES * i + k];
      if (!value) continue;
      const j = i + DOWN[k] * width + RIGHT[k];
      full[i * n + j] = value;
      full[j * n + i] = value;
    }
  }
  return full;
}

// --- Conjugate gradients -----------------------------------------------------------------------------------------------

/**
 * The system of the unknown pixels: (L_UU + Γ) α = Γ target − L_UK α_K, with weight the diagonal of Γ.
 * Known pixels stay in the arrays, uncoupled, with 1 on the diagonal and 0 on the right.
 */
export function system(laplacian, trimap, weight = 0, target = null) {
  const { height, width, values } = laplacian;
  const n = height * width;
  const A = values.slice();
  const right = new Float64Array(n);
  let count = 0;
  for (let i = 0; i < n; i += 1) if (trimap[i] === UNKNOWN) count += 1;
  const active = new Int32Array(count);
  count = 0;
  for (let i = 0; i < n; i += 1) {
    const free = trimap[i] === UNKNOWN;
    const row = ENTRIES * i;
    if (free) {
      active[count++] = i;
      A[row] += weight;
      if (target) right[i] += weight * target[i];
    } else A[row] = 1;
    for (let k = 1; k < ENTRIES; k += 1) {
      const value = A[row + k];
      if (!value) continue;
      const j = i + DOWN[k] * width + RIGHT[k];
      if (free && trimap[j] === UNKNOWN) continue;
      A[row + k] = 0;
      if (free) right[i] -= value * trimap[j];
      else if (trimap[j] === UNKNOWN) right[j] -= value * trimap[i];
    }
  }
  return { height, width, A, right, active };
}

const offsets = (width) => Int32Array.from(DOWN, (down, k) => down * width + RIGHT[k]);

/** y = A x over the unknown pixels. Arrays have two rows and two pixels more at the end, so that no neighbour is outside. */
function multiply({ A, active, width }, x, y) {
  const w = width;
  const w2 = 2 * width;
  for (let n = 0; n < active.length; n += 1) y[active[n]] = 0;
  for (let n = 0; n < active.length; n += 1) {
    const i = active[n];
    const p = ENTRIES * i;
    const xi = x[i];
    const [a1, a2] = [A[p + 1], A[p + 2]];
    const b0 = A[p + 3];
    const b1 = A[p + 4];
    const b2 = A[p + 5];
    const b3 = A[p + 6];
    const b4 = A[p + 7];
    const c0 = A[p + 8];
    const c1 = A[p + 9];
    const c2 = A[p + 10];
    const c3 = A[p + 11];
    const c4 = A[p + 12];
    const j = i + w;
    const k = i + w2;
    y[i] += A[p] * xi + a1 * x[i + 1] + a2 * x[i + 2]
      + b0 * x[j - 2] + b1 * x[j - 1] + b2 * x[j] + b3 * x[j + 1] + b4 * x[j + 2]
      + c0 * x[k - 2] + c1 * x[k - 1] + c2 * x[k] + c3 * x[k + 1] + c4 * x[k + 2];
    y[i + 1] += a1 * xi;
    y[i + 2] += a2 * xi;
    y[j - 2] += b0 * xi;
    y[j - 1] += b1 * xi;
    y[j] += b2 * xi;
    y[j + 1] += b3 * xi;
    y[j + 2] += b4 * xi;
    y[k - 2] += c0 * xi;
    y[k - 1] += c1 * xi;
    y[k] += c2 * xi;
    y[k + 1] += c3 * xi;
    y[k + 2] += c4 * xi;
  }
}

// Where the product of two entries of a row belongs: pairs (k, l) whose pixels share an entry m of pixel k.
const FILL = [];
for (let k = 1; k < ENTRIES; k += 1) {
  for (let l = k; l < ENTRIES; l += 1) {
    const down = DOWN[l] - DOWN[k];
    const right = RIGHT[l] - RIGHT[k];
    FILL.push([k, l, Math.abs(right) <= 2 ? entryAt(down, right) : -1]);
  }
}

/**
 * An incomplete Cholesky factor on the matrix's own pattern, A ≈ Uᵀ D⁻¹ U. What falls outside the pattern is dropped, and
 * part of its size added to the two diagonals it would have coupled, so that the factor stays definite (Ajiz and Jennings
 * 1984 add all of it; a quarter keeps it definite here, and needs fewer steps).
 */
function incompleteCholesky({ A, active, width, height }, share = 0.25) {
  const U = new Float64Array(A.length + ENTRIES * (2 * width + 3));
  U.set(A);
  const step = offsets(width);
  const inverse = new Float64Array(height * width + 2 * width + 3);
  const pairs = Int32Array.from(FILL.flat());
  for (let n = 0; n < active.length; n += 1) {
    const i = active[n];
    const p = ENTRIES * i;
    // A pivot that cancellation has eaten is put back: the factor only has to be near, and definite.
    if (!(U[p] > 1e-3 * A[p])) U[p] = A[p] || 1;
    const inv = 1 / U[p];
    inverse[i] = inv;
    for (let t = 0; t < pairs.length; t += 3) {
      const uk = U[p + pairs[t]];
      if (uk === 0) continue;
      const product = uk * U[p + pairs[t + 1]] * inv;
      const j = ENTRIES * (i + step[pairs[t]]);
      if (pairs[t + 2] >= 0) U[j + pairs[t + 2]] -= product;
      else {
        const l = ENTRIES * (i + step[pairs[t + 1]]);
        const size = share * Math.abs(product);
        const ratio = Math.sqrt(U[j] / U[l]) || 1;
        U[j] += size * ratio;
        U[l] += size / ratio;
      }
    }
  }
  return { U, inverse };
}

/** z = (Uᵀ D⁻¹ U)⁻¹ r. */
function precondition({ U, inverse }, { active, width }, r, z) {
  const w = width;
  const w2 = 2 * width;
  for (let n = 0; n < active.length; n += 1) z[active[n]] = r[active[n]];
  for (let n = 0; n < active.length; n += 1) {
    const i = active[n];
    const p = ENTRIES * i;
    const t = z[i] * inverse[i];
    const j = i + w;
    const k = i + w2;
    z[i + 1] -= U[p + 1] * t;
    z[i + 2] -= U[p + 2] * t;
    z[j - 2] -= U[p + 3] * t;
    z[j - 1] -= U[p + 4] * t;
    z[j] -= U[p + 5] * t;
    z[j + 1] -= U[p + 6] * t;
    z[j + 2] -= U[p + 7] * t;
    z[k - 2] -= U[p + 8] * t;
    z[k - 1] -= U[p + 9] * t;
    z[k] -= U[p + 10] * t;
    z[k + 1] -= U[p + 11] * t;
    z[k + 2] -= U[p + 12] * t;
  }
  for (let n = active.length - 1; n >= 0; n -= 1) {
    const i = active[n];
    const p = ENTRIES * i;
    const j = i + w;
    const k = i + w2;
    z[i] = inverse[i] * (z[i] - U[p + 1] * z[i + 1] - U[p + 2] * z[i + 2]
      - U[p + 3] * z[j - 2] - U[p + 4] * z[j - 1] - U[p + 5] * z[j] - U[p + 6] * z[j + 1] - U[p + 7] * z[j + 2]
      - U[p + 8] * z[k - 2] - U[p + 9] * z[k - 1] - U[p + 10] * z[k] - U[p + 11] * z[k + 1] - U[p + 12] * z[k + 2]);
  }
}

/**
 * Preconditioned conjugate gradients (Hestenes and Stiefel 1952).
 * Stops where the residual, in the preconditioner's norm, is `tolerance` of the right-hand side's or the first one's,
 * whichever is larger. `watch(x, step)` sees every iterate and may return false to stop. Returns { x, steps, residual }.
 */
export function conjugateGradients(equations, start, { tolerance = 1e-10, most = 2000, watch = null } = {}) {
  const { active, right, width, height } = equations;
  const size = height * width + 2 * width + 3;
  const [x, r, z, d, q] = [0, 1, 2, 3, 4].map(() => new Float64Array(size));
  const factor = incompleteCholesky(equations);
  const inner = (u, v) => {
    let sum = 0;
    for (let n = 0; n < active.length; n += 1) sum += u[active[n]] * v[active[n]];
    return sum;
  };
  precondition(factor, equations, right, z);
  const wanted = inner(right, z);
  for (let n = 0; n < active.length; n += 1) x[active[n]] = start ? start[active[n]] : UNKNOWN;
  multiply(equations, x, q);
  for (let n = 0; n < active.length; n += 1) r[active[n]] = right[active[n]] - q[active[n]];
  precondition(factor, equations, r, z);
  let energy = inner(r, z);
  const scale = Math.max(energy, Math.abs(wanted), 1e-300);
  let steps = 0;
  for (let n = 0; n < active.length; n += 1) d[active[n]] = z[active[n]];
  while (steps < most && energy > tolerance * tolerance * scale) {
    multiply(equations, d, q);
    const length = energy / inner(d, q);
    if (!(length > 0)) break;
    for (let n = 0; n < active.length; n += 1) {
      const i = active[n];
      x[i] += length * d[i];
      r[i] -= length * q[i];
    }
    precondition(factor, equations, r, z);
    const before = energy;
    energy = inner(r, z);
    steps += 1;
    if (watch && watch(x, steps) === false) break;
    const beta = energy / before;
    for (let n = 0; n < active.length; n += 1) d[active[n]] = z[active[n]] + beta * d[active[n]];
  }
  return { x, steps, residual: Math.sqrt(Math.max(energy, 0) / scale) };
}

// --- Reduced pictures --------------------------------------------------------------------------------------------------

export const reducedSize = (size, scale) => Math.ceil(size / scale);

/** Average cells of scale × scale pixels (pyramid.reduce_picture). */
export function reducePicture(picture, height, width, scale) {
  const rows = reducedSize(height, scale);
  const columns = reducedSize(width, scale);
  const out = new Float64Array(3 * rows * columns);
  for (let y = 0; y < rows; y += 1) {
    const bottom = Math.min(height, (y + 1) * scale);
    for (let x = 0; x < columns; x += 1) {
      const right = Math.min(width, (x + 1) * scale);
      const share = 1 / ((bottom - y * scale) * (right - x * scale));
      let r = 0;
      let g = 0;
      let b = 0;
      for (let v = y * scale; v < bottom; v += 1) {
        for (let u = x * scale, i = 3 * (v * width + u); u < right; u += 1, i += 3) {
          r += picture[i];
          g += picture[i + 1];
          b += picture[i + 2];
        }
      }
      out.set([r * share, g * share, b * share], 3 * (y * columns + x));
    }
  }
  return out;
}

/** The trimap of a reduced picture (estimate.Problem.cells): thin strokes must cover half a cell, regions touch it. */
export function reduceTrimap(trimap, height, width, scale) {
  const rows = reducedSize(height, scale);
  const columns = reducedSize(width, scale);
  const cells = new Float64Array(rows * columns).fill(UNKNOWN);
  const share = new Float64Array(rows * columns);
  let touched = 0;
  let covered = 0;
  for (let y = 0; y < rows; y += 1) {
    const bottom = Math.min(height, (y + 1) * scale);
    for (let x = 0; x < columns; x += 1) {
      const right = Math.min(width, (x + 1) * scale);
      let white = 0;
      let black = 0;
      for (let v = y * scale; v < bottom; v += 1) {
        for (let u = x * scale; u < right; u += 1) {
          const value = trimap[v * width + u];
          if (value === 1) white += 1;
          else if (value === 0) black += 1;
        }
      }
      const known = white + black;
      const i = y * columns + x;
      share[i] = known / ((bottom - y * scale) * (right - x * scale));
      covered += share[i];
      if (known && (white === known || black === known)) {
        cells[i] = white ? 1 : 0;
        touched += 1;
      }
    }
  }
  if (touched <= 1.5 * covered) return cells;
  for (const side of [1, 0]) {
    let all = 0;
    let thin = 0;
    for (let i = 0; i < cells.length; i += 1) {
      if (cells[i] !== side) continue;
      all += 1;
      if (share[i] < 0.5) thin += 1;
    }
    // The thinnest strokes cover no cell by half; they stay as they are.
    if (all > thin) for (let i = 0; i < cells.length; i += 1) if (cells[i] === side && share[i] < 0.5) cells[i] = UNKNOWN;
  }
  return cells;
}

/** The linear model α ≈ a·I + b in the 3 × 3 window around every pixel: four numbers each (pyramid.fit). */
export function fit(picture, height, width, alpha, epsilon) {
  const model = new Float64Array(4 * height * width);
  const S = new Float64Array(6);
  const target = new Float64Array(3);
  const out = new Float64Array(3);
  const floor = Math.max(epsilon, 1e-13);
  for (let y = 0; y < height; y += 1) {
    const cy = Math.min(Math.max(y, 1), height - 2);
    for (let x = 0; x < width; x += 1) {
      const cx = Math.min(Math.max(x, 1), width - 2);
      let r = 0;
      let g = 0;
      let b = 0;
      let average = 0;
      for (let v = cy - 1; v <= cy + 1; v += 1) {
        for (let u = cx - 1; u <= cx + 1; u += 1) {
          const i = v * width + u;
          average += alpha[i];
          r += picture[3 * i];
          g += picture[3 * i + 1];
          b += picture[3 * i + 2];
        }
      }
      r /= 9;
      g /= 9;
      b /= 9;
      average /= 9;
      S.fill(0);
      target.fill(0);
      for (let v = cy - 1; v <= cy + 1; v += 1) {
        for (let u = cx - 1; u <= cx + 1; u += 1) {
          const i = v * width + u;
          const da = alpha[i] - average;
          const dr = picture[3 * i] - r;
          const dg = picture[3 * i + 1] - g;
          const db = picture[3 * i + 2] - b;
          target[0] += dr * da;
          target[1] += dg * da;
          target[2] += db * da;
          S[0] += dr * dr;
          S[1] += dr * dg;
          S[2] += dr * db;
          S[3] += dg * dg;
          S[4] += dg * db;
          S[5] += db * db;
        }
      }
      ridge(S, target, floor, out);
      const at = 4 * (y * width + x);
      model[at] = out[0];
      model[at + 1] = out[1];
      model[at + 2] = out[2];
      model[at + 3] = average - out[0] * r - out[1] * g - out[2] * b;
    }
  }
  return model;
}

/** Enlarge a linear model by bilinear interpolation and apply it to a larger picture (pyramid.carry). */
export function carry(model, rows, columns, picture, height, width, trimap, scale, haze = 0) {
  const alpha = new Float64Array(height * width);
  const stretch = 1 / (1 - 2 * haze);
  const line = new Float64Array(4 * columns);
  for (let y = 0; y < height; y += 1) {
    // A cell's model holds at its centre; pixel centres lie at half-integers.
    const v = Math.min(Math.max((y + 0.5) / scale - 0.5, 0), rows - 1);
    const v0 = Math.floor(v);
    const v1 = Math.min(v0 + 1, rows - 1);
    const fy = v - v0;
    for (let c = 0; c < 4 * columns; c += 1) {
      line[c] = model[4 * columns * v0 + c] * (1 - fy) + model[4 * columns * v1 + c] * fy;
    }
    for (let x = 0; x < width; x += 1) {
      const i = y * width + x;
      if (trimap[i] !== UNKNOWN) {
        alpha[i] = trimap[i];
        continue;
      }
      const u = Math.min(Math.max((x + 0.5) / scale - 0.5, 0), columns - 1);
      const u0 = Math.floor(u);
      const p = 4 * u0;
      const q = 4 * Math.min(u0 + 1, columns - 1);
      const fx = u - u0;
      const value = line[p + 3] * (1 - fx) + line[q + 3] * fx
        + (line[p] * (1 - fx) + line[q] * fx) * picture[3 * i]
        + (line[p + 1] * (1 - fx) + line[q + 1] * fx) * picture[3 * i + 1]
        + (line[p + 2] * (1 - fx) + line[q + 2] * fx) * picture[3 * i + 2];
      alpha[i] = Math.min(Math.max((value - haze) * stretch, 0), 1);
    }
  }
  return alpha;
}

// --- The chain ---------------------------------------------------------------------------------------------------------

const FINEST_CELLS = 100_000;
const SHORTEST_SIDE = 32;
const LEVELS = 4;
const CHAIN_WEIGHT = 1e-3;
export const HAZE = 0.02;

/** The scales of the chain, coarse to fine; [1], the exact solution, for the smallest pictures (estimate.scales_for). */
export function scalesFor(height, width, unknown) {
  const fits = (scale) => Math.min(reducedSize(height, scale), reducedSize(width, scale)) >= SHORTEST_SIDE;
  if (!fits(2)) return [1];
  const finest = Math.max(2, Math.ceil(Math.sqrt(unknown / FINEST_CELLS)));
  // Of a long strip of a picture, a window must still fit into what is left of it.
  const chain = [Math.min(finest, Math.floor(Math.min(height, width) / 3))];
  while (chain.length < LEVELS && fits(2 * chain[0])) chain.unshift(2 * chain[0]);
  return chain;
}

/** A picture with its reduced copies and their Laplacians, which no stroke changes. */
export class Matter {
  constructor(picture, height, width, epsilon = 1e-7) {
    Object.assign(this, { picture, height, width, epsilon, levels: new Map() });
  }

  /** The reduced picture of a scale: { height, width, picture, epsilon, laplacian }. */
  at(scale) {
    if (!this.levels.has(scale)) {
      const height = reducedSize(this.height, scale);
      const width = reducedSize(this.width, scale);
      const picture = scale === 1 ? this.picture : reducePicture(this.picture, this.height, this.width, scale);
      const epsilon = this.epsilon / scale ** 2;
      this.levels.set(scale, { height, width, picture, epsilon, laplacian: mattingLaplacian(picture, height, width, epsilon) });
    }
    return this.levels.get(scale);
  }
}

// How far each level is solved for a quick answer, fine to coarse: what a coarse level gets wrong, the finer ones keep.
const QUICK = [1e-3, 3e-4, 1e-4, 1e-5];

/** Whether a trimap marks both foreground and background. */
export const decided = (trimap) => trimap.includes(1) && trimap.includes(0);

/**
 * Where a level begins: at the guess from the level above, and what the last solution added to its own guess. A stroke
 * moves the guess; the fine detail beyond it mostly stays.
 */
function firstIterate(last, guess, again) {
  if (!last || !guess) return last?.x ?? guess;
  if (again || !last.guess) return last.x;
  const start = new Float64Array(guess.length);
  for (let i = 0; i < start.length; i += 1) start[i] = guess[i] + last.x[i] - last.guess[i];
  return start;
}

/**
 * Alpha by closed-form matting, coarse to fine (estimate.estimate_alpha_closed_form, scale="auto").
 * `precision` multiplies the tolerances of the levels: 1 for an answer within a blink, 1e-3 for all that can be had.
 * `starts` is a Map that keeps each level's solution for the next call; that one begins there, if `again` on all levels.
 * `skip` leaves out so many of the finest levels, for a preview. `watch({ scale, step, width, height, cells, x })` sees every iterate and may return false to go on to the next level.
 * Returns { alpha, scales, steps, finest }, or null where nothing is decided yet; `finest` is the last level, with its model.
 */
export function estimateAlpha(matter, trimap, { precision = 1, starts = new Map(), again = false, skip = 0, watch = null } = {}) {
  if (!decided(trimap)) return null;
  const { height, width } = matter;
  let unknown = 0;
  for (let i = 0; i < trimap.length; i += 1) if (trimap[i] === UNKNOWN) unknown += 1;
  let scales = scalesFor(height, width, unknown);
  // Where foreground and background lie so close together that no reduced picture can tell them apart, none is of use.
  if (!scales.some((scale) => decided(reduceTrimap(trimap, height, width, scale)))) scales = [1];
  if (skip < scales.length) scales = scales.slice(0, scales.length - skip);
  const steps = [];
  let above = null;
  scales.forEach((scale, k) => {
    const level = matter.at(scale);
    const cells = scale === 1 ? trimap : reduceTrimap(trimap, height, width, scale);
    if (!decided(cells)) return;
    const guess = above && carry(above.model, above.height, above.width, level.picture, level.height, level.width, cells,
      above.scale / scale);
    const equations = system(level.laplacian, cells, above ? CHAIN_WEIGHT : 0, guess);
    const solved = conjugateGradients(equations, firstIterate(starts.get(scale), guess, again), {
      // The first level has no prior to hold it, and is small.
      tolerance: precision * QUICK[above ? scales.length - 1 - k : QUICK.length - 1],
      watch: watch && ((x, step) => watch({ ...level, scale, step, cells, x })),
    });
    steps.push(solved.steps);
    starts.set(scale, { x: solved.x, guess });
    const alpha = cells.slice();
    for (const i of equations.active) alpha[i] = clamp(solved.x[i]);
    above = { ...level, scale, alpha };
    if (scale > 1) above.model = fit(level.picture, level.height, level.width, alpha, level.epsilon);
  });
  if (above.scale === 1) return { alpha: above.alpha, scales, steps, finest: above };
  const alpha = carry(above.model, above.height, above.width, matter.picture, height, width, trimap, above.scale,
    scales.length > 1 ? HAZE : 0);
  return { alpha, scales, steps, finest: above };
}

// --- Colours of the foreground -----------------------------------------------------------------------------------------

/** Multi-level foreground colours, Germer et al. 2020 (multilevel.solve_layers), in single precision. */
export function estimateForeground(picture, alpha, height, width) {
  let [aboveF, aboveB] = [0.9, -0.1].map((border) => {
    const share = (a) => (border > 0 ? a : 1 - a);
    const certain = (a) => share(a) > 0.9;
    const any = alpha.some(certain);
    const sum = [0, 0, 0];
    let total = 0;
    for (let i = 0; i < alpha.length; i += 1) {
      const weight = any ? +certain(alpha[i]) : share(alpha[i]);
      total += weight;
      for (let c = 0; c < 3; c += 1) sum[c] += weight * picture[3 * i + c];
    }
    return Float32Array.from(sum, (value) => value / Math.max(total, 1e-12));
  });
  let [aboveRows, aboveColumns] = [1, 1];
  const levels = Math.max(1, Math.ceil(Math.log2(Math.max(height, width))));
  for (let level = 0; level <= levels; level += 1) {
    const rows = Math.round(height ** (level / levels));
    const columns = Math.round(width ** (level / levels));
    const F = new Float32Array(3 * rows * columns);
    const B = new Float32Array(3 * rows * columns);
    const colors = new Float32Array(3 * rows * columns);
    const a = new Float32Array(rows * columns);
    for (let y = 0; y < rows; y += 1) {
      const v = Math.floor((y * height) / rows);
      const from = Math.floor((y * aboveRows) / rows);
      for (let x = 0; x < columns; x += 1) {
        const i = y * columns + x;
        const j = v * width + Math.floor((x * width) / columns);
        const k = from * aboveColumns + Math.floor((x * aboveColumns) / columns);
        a[i] = alpha[j];
        for (let c = 0; c < 3; c += 1) {
          colors[3 * i + c] = picture[3 * j + c];
          F[3 * i + c] = aboveF[3 * k + c];
          B[3 * i + c] = aboveB[3 * k + c];
        }
      }
    }
    const sweeps = Math.max(rows, columns) <= 32 ? 10 : 2;
    for (let sweep = 0; sweep < sweeps; sweep += 1) sweepLayers(colors, a, F, B, rows, columns);
    [aboveF, aboveB, aboveRows, aboveColumns] = [F, B, rows, columns];
  }
  return aboveF;
}

/** One sweep of Gauss-Seidel: every pixel's F and B solve a 2 × 2 system with its neighbours held. */
function sweepLayers(colors, alpha, F, B, rows, columns) {
  const least = 2e-5;
  const slope = 2;
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      const i = y * columns + x;
      const left = x > 0 ? i - 1 : i;
      const right = x < columns - 1 ? i + 1 : i;
      const up = y > 0 ? i - columns : i;
      const down = y < rows - 1 ? i + columns : i;
      const a = alpha[i];
      const b = 1 - a;
      const wl = least + slope * Math.abs(a - alpha[left]);
      const wr = least + slope * Math.abs(a - alpha[right]);
      const wu = least + slope * Math.abs(a - alpha[up]);
      const wd = least + slope * Math.abs(a - alpha[down]);
      const w = wl + wr + wu + wd;
      const inverse = 1 / ((a * a + w) * (b * b + w) - a * b * (a * b));
      for (let c = 0; c < 3; c += 1) {
        const rF = a * colors[3 * i + c] + wl * F[3 * left + c] + wr * F[3 * right + c] + wu * F[3 * up + c] + wd * F[3 * down + c];
        const rB = b * colors[3 * i + c] + wl * B[3 * left + c] + wr * B[3 * right + c] + wu * B[3 * up + c] + wd * B[3 * down + c];
        F[3 * i + c] = Math.min(1, Math.max(0, inverse * ((b * b + w) * rF - a * b * rB)));
        B[3 * i + c] = Math.min(1, Math.max(0, inverse * ((a * a + w) * rB - a * b * rF)));
      }
    }
  }
}
