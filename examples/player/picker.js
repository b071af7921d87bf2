/** Radio buttons for the streams; hidden when there is nothing to choose. */
export function buildPicker(streams, chosen, picked) {
  document.querySelector("#picker").hidden = streams.length < 2;
  document.querySelector("#choices").replaceChildren(
    ...streams.map(({ name, path }) => {
      const label = document.createElement("label");
      label.className = "choice";
      const input = Object.assign(document.createElement("input"), {
        type: "radio", name: "stream", value: path, checked: path === chosen,
      });
      input.addEventListener("change", () => picked(path));
      const text = document.createElement("span");
      text.textContent = name;
      label.append(input, text);
      return label;
    }),
  );
}
