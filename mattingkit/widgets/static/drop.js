// A button that opens a file, and an area to drop one on. Files travel in pieces: one message has a size limit.
const PIECE = 1 << 20;

function render({ model, el }) {
  const off = new AbortController();
  const on = { signal: off.signal };
  el.classList.add("mk-drop");
  const input = Object.assign(document.createElement("input"), { type: "file", accept: model.get("accept"), hidden: true });
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: model.get("text") });
  const hint = Object.assign(document.createElement("span"), { textContent: model.get("hint") });
  el.append(button, hint, input);
  button.addEventListener("click", () => input.click(), on);
  input.addEventListener("change", () => { if (input.files[0]) send(input.files[0]); input.value = ""; }, on);
  el.addEventListener("dragover", (event) => { event.preventDefault(); event.stopPropagation(); el.classList.add("mk-over"); }, on);
  el.addEventListener("dragleave", () => el.classList.remove("mk-over"), on);
  el.addEventListener("drop", (event) => {
    event.preventDefault();
    event.stopPropagation();
    el.classList.remove("mk-over");
    if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
  }, on);

  async function send(file) {
    if (file.size > model.get("limit")) {
      model.send({ refused: file.name, size: file.size });
      return;
    }
    model.send({ begin: file.name, size: file.size });
    for (let from = 0; from < file.size; from += PIECE) {
      const piece = await file.slice(from, from + PIECE).arrayBuffer();
      model.send({ piece: from }, undefined, [piece]);
    }
    model.send({ end: file.name });
  }
  return () => off.abort();
}

export default { render };
