// Small helpers for the controls of the page.

/** A button with a text; `attributes` are properties of the element. */
export function makeButton(textContent, testid, attributes = {}) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent, ...attributes });
  button.dataset.testid = testid;
  return button;
}

/** Calls `act` when Enter is pressed in a field, unless it ends the input of a character. */
export function onEnter(input, act) {
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    act();
  });
}
