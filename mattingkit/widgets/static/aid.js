// What ipycanvas leaves out of a drawing surface, added in the page: a name for screen readers, a Tab key that leaves,
// releases outside the canvas, right clicks that draw nothing, and a wheel that scrolls the page unless Ctrl is held.
function aid({ model, el }) {
  el.classList.add("mk-aid");
  const off = new AbortController();
  const listen = (canvas, name, handler, options = {}) =>
    canvas.addEventListener(name, handler, { capture: true, signal: off.signal, ...options });

  function adopt(canvas) {
    canvas.setAttribute("role", "application");
    canvas.setAttribute("aria-roledescription", "drawing pad");
    canvas.setAttribute("aria-label", model.get("name"));
    listen(canvas, "keydown", (event) => {
      const passes = event.key === "Tab" || event.key === "Escape" || /^F\d+$/.test(event.key);
      if (passes || ((event.ctrlKey || event.metaKey) && !"zy".includes(event.key.toLowerCase()))) {
        event.stopImmediatePropagation();
      }
    });
    listen(canvas, "pointerdown", (event) => {
      if (event.button === 0) canvas.setPointerCapture(event.pointerId);
    });
    for (const name of ["mousedown", "mouseup"]) {
      listen(canvas, name, (event) => {
        if (event.button !== 0) event.stopImmediatePropagation();
      });
    }
    // One move a frame, as browsers themselves hand out real ones: more would queue up in the kernel. The line to the
    // next point covers those left out, and the last one before a button always goes through.
    let held = null;
    let waiting = false;
    const pass = () => {
      if (!held) return;
      const again = new MouseEvent("mousemove", held);
      held = null;
      again.mkPassed = true;
      canvas.dispatchEvent(again);
    };
    const frame = () => {
      waiting = held !== null;
      pass();
      if (waiting) requestAnimationFrame(frame);
    };
    listen(canvas, "mousemove", (event) => {
      if (event.mkPassed) return;
      if (waiting) {
        held = event;
        event.stopImmediatePropagation();
      } else {
        waiting = true;
        requestAnimationFrame(frame);
      }
    });
    for (const name of ["mousedown", "mouseup", "mouseout"]) listen(canvas, name, pass);
    // Focus, so that the keys work at once; without it only a Tab would bring them.
    listen(canvas, "mousedown", () => canvas.focus({ preventScroll: true }));
    listen(canvas, "contextmenu", (event) => event.preventDefault());
    listen(canvas, "wheel", (event) => {
      event.stopImmediatePropagation();
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const box = canvas.getBoundingClientRect();
      model.send({
        wheel: event.deltaY,
        x: ((event.clientX - box.left) * canvas.width) / box.width,
        y: ((event.clientY - box.top) * canvas.height) / box.height,
      });
    }, { passive: false });
  }

  let tries = 0;
  (function find() {
    const canvas = el.closest(".mk-frame")?.querySelector("canvas");
    if (canvas) adopt(canvas);
    else if (!off.signal.aborted && ++tries < 600) requestAnimationFrame(find);
  })();
  return () => off.abort();
}

export default { render: aid };
