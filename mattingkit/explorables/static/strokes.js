// What a person draws on a picture: strokes in image coordinates, rasterised as Python does it (trimap_from_strokes).
// A stroke is { points: [[row, col], …], label: 1, 0, 0.5 or null, radius }; null erases. Pixel [r, c] has its centre
// at (r, c).

/** Paint one stroke into labels (bytes: 0, 1, and 2 for unknown), from its point `first` on. */
export function rasterise(labels, height, width, { points, label, radius }, first = 0) {
  const value = label === 0 || label === 1 ? label : 2;
  for (let k = Math.max(first, 0); k < points.length; k += 1) {
    const [r1, c1] = points[k];
    const [r0, c0] = points[Math.max(k - 1, 0)];
    const dr = r1 - r0;
    const dc = c1 - c0;
    const length = dr * dr + dc * dc;
    const top = Math.max(0, Math.ceil(Math.min(r0, r1) - radius));
    const bottom = Math.min(height - 1, Math.floor(Math.max(r0, r1) + radius));
    const left = Math.max(0, Math.ceil(Math.min(c0, c1) - radius));
    const right = Math.min(width - 1, Math.floor(Math.max(c0, c1) + radius));
    for (let r = top; r <= bottom; r += 1) {
      for (let c = left; c <= right; c += 1) {
        const t = length ? Math.min(1, Math.max(0, ((r - r0) * dr + (c - c0) * dc) / length)) : 0;
        const y = r - r0 - t * dr;
        const x = c - c0 - t * dc;
        if (y * y + x * x <= radius * radius) labels[r * width + c] = value;
      }
    }
  }
}

/** The trimap of all strokes, as bytes. */
export function labelsOf(strokes, height, width) {
  const labels = new Uint8Array(height * width).fill(2);
  for (const stroke of strokes) rasterise(labels, height, width, stroke);
  return labels;
}

/** Draw a stroke on a canvas whose units are pixels of the picture, from its point `first` on. */
export function ink(pen, { points, label, radius }, hues, first = 0) {
  pen.save();
  pen.globalCompositeOperation = label === null ? "destination-out" : "source-over";
  pen.strokeStyle = hues[label] ?? "#000";
  pen.lineWidth = 2 * radius;
  pen.lineCap = "round";
  pen.lineJoin = "round";
  pen.beginPath();
  const from = Math.max(first - 1, 0);
  pen.moveTo(points[from][1] + 0.5, points[from][0] + 0.5);
  for (const [row, col] of points.slice(from)) pen.lineTo(col + 0.5, row + 0.5);
  pen.stroke();
  pen.restore();
}
