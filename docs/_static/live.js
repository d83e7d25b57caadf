// Widgets of the lessons that live in the page without a kernel: strips of pictures, and anywidgets from their last state.
(() => {
  "use strict";

  // --- Strips: sliders that choose one of the pictures drawn ahead ------------------------------------------------------
  function strip(node) {
    const all = [...node.querySelectorAll(".mk-strip-pictures img")];
    const sliders = [...node.querySelectorAll("input[type=range]")];
    const words = sliders.map((one) => JSON.parse(one.dataset.values));
    const names = sliders.map((one) => one.parentElement.querySelector("span").textContent);
    function show() {
      let index = 0;
      sliders.forEach((one, k) => {
        index = index * words[k].length + Number(one.value);
        one.setAttribute("aria-valuetext", words[k][one.value]);
        one.parentElement.querySelector("output").textContent = words[k][one.value];
      });
      const said = sliders.map((one, k) => `${names[k]} ${words[k][one.value]}`).join(", ");
      let k = -1;
      for (const one of all) {
        if (!one.classList.contains("only-dark")) k += 1; // else it is the last one's twin for dark pages
        one.classList.toggle("shown", k === index);
        if (k === index) one.alt = said;
      }
    }
    // The other pictures are fetched when somebody reaches for the sliders, so that none blinks.
    const fetch = () => {
      const unseen = document.documentElement.dataset.theme === "dark" ? "only-light" : "only-dark";
      for (const one of all) if (!one.classList.contains(unseen)) one.loading = "eager";
    };
    for (const kind of ["pointerenter", "focusin"]) node.addEventListener(kind, fetch, { once: true });
    for (const one of sliders) one.addEventListener("input", () => { stop(); show(); });

    const play = node.querySelector("button");
    let timer = 0;
    function stop() {
      clearInterval(timer);
      timer = 0;
      if (play) play.textContent = "Play";
    }
    play?.addEventListener("click", () => {
      if (timer) { stop(); return; }
      fetch();
      play.textContent = "Pause";
      timer = setInterval(() => {
        sliders[0].value = (Number(sliders[0].value) + 1) % words[0].length;
        show();
      }, Number(play.dataset.interval));
    });
  }

  // --- A model as anywidget gives one, without anybody at the other end -------------------------------------------------
  // Lists of equal numbers are the same value, as in Jupyter: who answers a change by setting it again stops there.
  const same = (one, other) => one === other || (one !== null && typeof one === "object" && !(one instanceof DataView)
    && JSON.stringify(one) === JSON.stringify(other));
  function model(values) {
    const heard = new Map();
    const on = (name, call) => { heard.set(name, [...(heard.get(name) ?? []), call]); };
    const off = (name, call) => {
      if (name === undefined || name === null) heard.clear();
      else heard.set(name, (heard.get(name) ?? []).filter((one) => call && one !== call));
    };
    const tell = (name, ...said) => { for (const call of [...(heard.get(name) ?? [])]) call(...said); };
    const self = {
      get: (name) => values[name],
      set: (name, value) => {
        const given = typeof name === "object" ? name : { [name]: value };
        const changed = Object.keys(given).filter((key) => !same(values[key], given[key]));
        Object.assign(values, given);
        for (const key of changed) tell(`change:${key}`, self, values[key]);
        if (changed.length) tell("change", self);
      },
      save_changes: () => {},
      send: () => {},
      on: (names, call) => names.split(/\s+/).forEach((name) => on(name, call)),
      off: (names, call) => (names ? names.split(/\s+/).forEach((name) => off(name, call)) : off(names)),
    };
    return self;
  }

  async function live(node) {
    const { state, buffers } = JSON.parse(node.querySelector("script").textContent);
    for (const { path, data } of buffers) {
      const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
      let into = state;
      for (const step of path.slice(0, -1)) into = into[step];
      into[path[path.length - 1]] = new DataView(bytes.buffer);
    }
    const { _esm: code, _css: style, ...values } = state;
    if (style) {
      const sheet = document.createElement("style");
      sheet.textContent = style;
      node.append(sheet);
    }
    const el = document.createElement("div");
    node.append(el);
    const address = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
    const module = await import(address);
    URL.revokeObjectURL(address);
    const widget = typeof module.default === "function" ? await module.default() : module.default;
    const given = { model: model(values), el, experimental: {} };
    await widget.initialize?.({ model: given.model, experimental: {} });
    await widget.render(given);
    node.dataset.alive = "";
  }

  for (const node of document.querySelectorAll(".mk-strip")) strip(node);
  // A widget begins when it is about to be seen: what stands below it moves while nobody looks.
  const near = new IntersectionObserver((seen) => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      live(target).catch((error) => { target.append(`This widget could not be started: ${error.message}`); });
    }
  }, { rootMargin: "800px 0px" });
  for (const node of document.querySelectorAll(".mk-live")) near.observe(node);
})();
