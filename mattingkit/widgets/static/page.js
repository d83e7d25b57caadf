// The pad drawn in the page: ink appears within a frame whatever the kernel or the network does. Python keeps the
// truth: finished strokes go there as vectors in image coordinates, and come back as a picture of the trimap.

async function decode(view) {
  if (!view || !view.byteLength) return null;
  return createImageBitmap(new Blob([view]));
}

function render({ model, el }) {
  const off = new AbortController();
  const on = { signal: off.signal };
  el.classList.add("mk-page");
  const [H, W] = model.get("shape");
  const panes = [makePane("pad"), makePane("result")];
  const [pad, result] = panes;
  el.append(pad.figure, result.figure);
  const layers = { photo: document.createElement("canvas"), ink: document.createElement("canvas") };
  let bitmaps = { photo: null, overlay: null, result: null };
  let pending = [];
  let stroke = null;
  let cursor = null;
  let queued = false;
  let next = Date.now();
  const touches = new Map();
  let pinch = null;

  function makePane(kind) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    figure.append(canvas);
    canvas.tabIndex = kind === "pad" ? 0 : -1;
    canvas.setAttribute("role", kind === "pad" ? "application" : "img");
    if (kind === "pad") canvas.setAttribute("aria-roledescription", "drawing pad");
    canvas.setAttribute("aria-label", kind === "pad" ? model.get("name") : "Result");
    return { figure, canvas };
  }

  // Geometry: pixel [row, col] has its centre at ((col + .5 - left) * s, (row + .5 - top) * s) of the backing store.
  const ratio = () => window.devicePixelRatio || 1;
  function size() {
    const available = Math.max(120, (el.parentElement?.clientWidth || 4000) - 4);
    const width = Math.min(model.get("width"), available);
    return [width, Math.round((width * H) / W)];
  }
  const scale = () => (pad.canvas.width / W) * model.get("view")[0];
  function toImage(event, canvas) {
    const box = canvas.getBoundingClientRect();
    const x = ((event.clientX - box.left) * canvas.width) / box.width;
    const y = ((event.clientY - box.top) * canvas.height) / box.height;
    const [, top, left] = model.get("view");
    return [y / scale() + top - 0.5, x / scale() + left - 0.5];
  }
  function place(context) {
    const [, top, left] = model.get("view");
    context.setTransform(scale(), 0, 0, scale(), -left * scale(), -top * scale());
    context.imageSmoothingEnabled = scale() < 2;
  }

  function resize() {
    const [width, height] = size();
    result.figure.style.display = model.get("result_shown") ? "" : "none";
    for (const canvas of [pad.canvas, result.canvas]) {
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const [bw, bh] = [Math.round(width * ratio()), Math.round(height * ratio())];
    for (const canvas of [pad.canvas, result.canvas, layers.photo, layers.ink]) {
      if (canvas.width !== bw || canvas.height !== bh) [canvas.width, canvas.height] = [bw, bh];
    }
    redraw();
  }

  function clean(canvas) {
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.globalAlpha = 1;
    context.globalCompositeOperation = "source-over";
    context.clearRect(0, 0, canvas.width, canvas.height);
    return context;
  }

  function redraw() {
    const photo = clean(layers.photo);
    place(photo);
    if (bitmaps.photo) photo.drawImage(bitmaps.photo, 0, 0, W, H);
    const ink = clean(layers.ink);
    place(ink);
    ink.imageSmoothingEnabled = false;
    if (bitmaps.overlay) ink.drawImage(bitmaps.overlay, 0, 0, W, H);
    for (const one of pending) for (const mark of one.marks) trace(mark, 0);
    if (stroke && stroke.marks) for (const mark of stroke.marks) trace(mark, 0);
    const shown = clean(result.canvas);
    place(shown);
    if (bitmaps.result) shown.drawImage(bitmaps.result, 0, 0, W, H);
    result.figure.classList.toggle("mk-stale", model.get("stale"));
    present();
  }

  // Draws a mark's points from number `first` on, over whatever is there.
  function trace(mark, first) {
    const context = layers.ink.getContext("2d");
    place(context);
    const erase = mark.label === "erase";
    context.globalCompositeOperation = erase ? "destination-out" : "source-over";
    context.strokeStyle = context.fillStyle = erase ? "#000" : model.get("hues")[mark.label];
    context.beginPath();
    if (mark.lasso) {
      mark.lasso.forEach(([row, col], k) => (k ? context.lineTo(col + 0.5, row + 0.5) : context.moveTo(col + 0.5, row + 0.5)));
      context.fill("evenodd");
    } else if (mark.points) {
      context.lineWidth = 2 * mark.radius;
      context.lineCap = context.lineJoin = "round";
      const from = Math.max(0, first - 1);
      mark.points.slice(from).forEach(([row, col], k) => {
        if (!k) context.moveTo(col + 0.5, row + 0.5);
        context.lineTo(col + 0.5, row + 0.5);
      });
      context.stroke();
    }
    context.globalCompositeOperation = "source-over";
  }

  function present() {
    if (queued) return;
    queued = true;
    requestAnimationFrame(() => { queued = false; compose(); });
  }

  function compose() {
    const context = clean(pad.canvas);
    context.drawImage(layers.photo, 0, 0);
    context.globalAlpha = model.get("opacity");
    context.drawImage(layers.ink, 0, 0);
    context.globalAlpha = 1;
    outline(context);
  }

  function outline(context) {
    if (stroke?.lasso) {
      place(context);
      context.beginPath();
      stroke.lasso.forEach(([row, col], k) => (k ? context.lineTo(col + 0.5, row + 0.5) : context.moveTo(col + 0.5, row + 0.5)));
      twice(context, 1 / scale());
    }
    if (cursor && model.get("tool") === "brush") {
      place(context);
      context.beginPath();
      context.arc(cursor[1] + 0.5, cursor[0] + 0.5, model.get("radius"), 0, 7);
      twice(context, 1 / scale());
    } else if (cursor) {
      context.setTransform(1, 0, 0, 1, 0, 0);
      const [x, y] = [(cursor[1] + 0.5 - model.get("view")[2]) * scale(), (cursor[0] + 0.5 - model.get("view")[1]) * scale()];
      context.beginPath();
      context.moveTo(x - 8, y); context.lineTo(x + 8, y); context.moveTo(x, y - 8); context.lineTo(x, y + 8);
      twice(context, 1);
    }
  }
  // Black within white is seen on any picture.
  function twice(context, unit) {
    context.lineWidth = 3 * unit * ratio(); context.strokeStyle = "#fff"; context.stroke();
    context.lineWidth = 1.4 * unit * ratio(); context.strokeStyle = "#000"; context.stroke();
  }

  const rounded = (point) => point.map((value) => Math.round(value * 100) / 100);
  const radiusOf = (event) => {
    const radius = model.get("radius");
    return event.pointerType === "pen" && event.pressure > 0 ? Math.max(0.5, radius * 2 * event.pressure) : radius;
  };

  function begin(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    pad.canvas.focus({ preventScroll: true });
    pad.canvas.setPointerCapture(event.pointerId);
    touches.set(event.pointerId, event);
    if (touches.size === 2) { stroke = null; pinch = pinchOf(); redraw(); return; }
    const point = rounded(toImage(event, pad.canvas));
    cursor = point;
    const tool = model.get("tool");
    if (tool === "move") stroke = { move: [event.clientX, event.clientY] };
    else if (tool === "lasso") stroke = { lasso: [point] };
    else if (tool === "fill") send({ fill: point });
    else {
      stroke = { marks: [{ label: model.get("label"), radius: radiusOf(event), points: [point] }] };
      trace(stroke.marks[0], 0);
    }
    compose();
  }

  function extend(event) {
    if (touches.has(event.pointerId)) touches.set(event.pointerId, event);
    if (pinch && touches.size === 2) { pinched(); return; }
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) {
      const point = rounded(toImage(one, pad.canvas));
      cursor = point;
      if (!stroke) continue;
      if (stroke.move) {
        const [zoom, top, left] = model.get("view");
        const factor = ratio() / scale();
        look(zoom, top - (one.clientY - stroke.move[1]) * factor, left - (one.clientX - stroke.move[0]) * factor);
        stroke.move = [one.clientX, one.clientY];
      } else if (stroke.lasso) stroke.lasso.push(point);
      else {
        let mark = stroke.marks.at(-1);
        const radius = radiusOf(one);
        if (Math.abs(radius - mark.radius) > 0.15 * mark.radius) {
          mark = { label: mark.label, radius, points: [mark.points.at(-1)] };
          stroke.marks.push(mark);
        }
        mark.points.push(point);
        trace(mark, mark.points.length - 1);
      }
    }
    // Ink goes onto the canvas within the event itself: the very next frame shows it.
    if (stroke?.marks) compose();
    else present();
  }

  function end(event) {
    touches.delete(event.pointerId);
    if (touches.size < 2) pinch = null;
    const done = stroke;
    stroke = null;
    if (!done || done.move) { if (done) model.save_changes(); return; }
    if (done.lasso) {
      if (done.lasso.length > 2) keep([{ label: model.get("label"), lasso: done.lasso }]);
      redraw();
    } else keep(done.marks);
  }

  function keep(marks) {
    const id = ++next;
    pending.push({ id, marks });
    send({ marks, id });
    redraw();
  }
  const send = (content) => model.send(content);

  function pinchOf() {
    const [a, b] = [...touches.values()];
    return { distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
      x: (a.clientX + b.clientX) / 2, y: (a.clientY + b.clientY) / 2 };
  }
  function pinched() {
    const now = pinchOf();
    const anchor = toImage({ clientX: pinch.x, clientY: pinch.y }, pad.canvas);
    zoomAt(now.distance / (pinch.distance || 1), anchor);
    const [zoom, top, left] = model.get("view");
    const factor = ratio() / scale();
    look(zoom, top - (now.y - pinch.y) * factor, left - (now.x - pinch.x) * factor);
    pinch = now;
    model.save_changes();
  }

  function look(zoom, top, left) {
    zoom = Math.min(32, Math.max(1, zoom));
    const clamp = (value, length) => Math.min(Math.max(0, value), length - length / zoom);
    model.set("view", [zoom, clamp(top, H), clamp(left, W)]);
  }
  function zoomAt(factor, [row, col]) {
    const [zoom, top, left] = model.get("view");
    const wanted = Math.min(32, Math.max(1, zoom * factor));
    look(wanted, row + 0.5 - ((row + 0.5 - top) * zoom) / wanted, col + 0.5 - ((col + 0.5 - left) * zoom) / wanted);
  }

  function key(event) {
    const command = event.ctrlKey || event.metaKey;
    if (event.key === "Tab" || event.altKey || (command && !"zy".includes(event.key.toLowerCase()))) return;
    const label = { 1: "foreground", 2: "background", 3: "unknown", 4: "erase" }[event.key];
    if (label) { model.set("label", label); model.save_changes(); present(); }
    else if ("[]".includes(event.key)) {
      const radius = model.get("radius") * (event.key === "]" ? 1.25 : 0.8);
      model.set("radius", Math.min(200, Math.max(0.5, radius)));
      model.save_changes();
      present();
    } else if (event.key.length === 1 || event.key.startsWith("Arrow")) {
      send({ key: event.key, shift: event.shiftKey, command });
    } else return;
    // The notebook has shortcuts on the same keys.
    event.preventDefault();
    event.stopPropagation();
  }

  pad.canvas.addEventListener("pointerdown", begin, on);
  pad.canvas.addEventListener("pointermove", extend, on);
  pad.canvas.addEventListener("pointerup", end, on);
  pad.canvas.addEventListener("pointercancel", end, on);
  pad.canvas.addEventListener("pointerleave", () => { cursor = null; present(); }, on);
  pad.canvas.addEventListener("contextmenu", (event) => event.preventDefault(), on);
  pad.canvas.addEventListener("keydown", key, on);
  for (const { canvas } of panes) {
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      zoomAt(Math.exp(-event.deltaY / 300), toImage(event, canvas));
      model.save_changes();
    }, { passive: false, signal: off.signal });
  }

  async function load(name) {
    const bitmap = await decode(model.get(name)).catch(() => null);
    if (off.signal.aborted) return;
    bitmaps[name] = bitmap;
    if (name === "overlay") pending = pending.filter((one) => one.id > model.get("seen"));
    redraw();
  }
  const watch = {};
  for (const name of ["photo", "overlay", "result"]) watch[`change:${name}`] = () => load(name);
  for (const name of ["view", "stale", "opacity", "radius", "tool"]) watch[`change:${name}`] = redraw;
  for (const name of ["width", "result_shown"]) watch[`change:${name}`] = resize;
  for (const [name, handler] of Object.entries(watch)) model.on(name, handler);
  const observer = new ResizeObserver(resize);
  if (el.parentElement) observer.observe(el.parentElement);
  requestAnimationFrame(() => { if (el.parentElement) observer.observe(el.parentElement); resize(); });
  resize();
  for (const name of ["photo", "overlay", "result"]) load(name);
  return () => {
    off.abort();
    observer.disconnect();
    for (const [name, handler] of Object.entries(watch)) model.off(name, handler);
  };
}

export default { render };
