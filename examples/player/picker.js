/** Radio buttons of one group; hidden when there is nothing to choose. */
export function buildPicker(group, choices, chosen, picked) {
  const fieldset = document.querySelector(group);
  fieldset.hidden = choices.length < 2;
  // A choice that is picked anew stays where the keyboard is.
  const hadFocus = fieldset.contains(document.activeElement);
  const inputs = choices.map(({ name, value }) => {
    const label = document.createElement("label");
    label.className = "choice";
    const input = Object.assign(document.createElement("input"), {
      type: "radio", name: group.slice(1), value, checked: value === chosen,
    });
    input.addEventListener("change", () => picked(value));
    const text = document.createElement("span");
    text.textContent = name;
    label.append(input, text);
    return label;
  });
  fieldset.querySelector(".choices").replaceChildren(...inputs);
  if (hadFocus) fieldset.querySelector("input:checked")?.focus();
}
