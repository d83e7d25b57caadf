// ipywidgets' sliders and colour pickers have a visible label that nothing ties to them; screen readers hear it from here.
function render({ el }) {
  el.classList.add("mk-aid");
  let root = null;
  let observer = null;
  function name() {
    for (const handle of root.querySelectorAll(".noUi-handle, input[type=color], input[type=text]:not([aria-label])")) {
      const label = handle.closest(".widget-inline-hbox, .jupyter-widgets")?.querySelector("label, .widget-label");
      const text = label?.textContent?.trim() || (handle.type === "color" ? "Colour" : "");
      if (text && handle.getAttribute("aria-label") !== text) handle.setAttribute("aria-label", text);
    }
    for (const input of root.querySelectorAll("input[type=file]:not([aria-label])")) input.setAttribute("aria-label", "File");
  }
  // An ipycanvas swallows every key that it gets, the Tab key too. What a click on it does, sliders beside it do.
  function pass(event) {
    if (event.key === "Tab" && event.target.matches("canvas")) event.stopPropagation();
  }
  let tries = 0;
  let gone = false;
  (function find() {
    root = el.closest(".mk-studio") ?? el.closest(".mk-controls, .mk-picker");
    if (root) {
      observer = new MutationObserver(name);
      observer.observe(root, { childList: true, subtree: true });
      root.addEventListener("keydown", pass, true);
      name();
    } else if (!gone && ++tries < 600) requestAnimationFrame(find);
  })();
  return () => { gone = true; observer?.disconnect(); root?.removeEventListener("keydown", pass, true); };
}

export default { render };
