// The way in: an admin's access token, or the key that a node with the embedded layer prints.

import { field, h } from "./dom.js";

export class SignIn {
  element;
  #input;
  #error = h("p", { class: "error", id: "op-signin-error", role: "alert", hidden: true, "data-testid": "op-signin-error" });
  #send = h("button", { type: "submit", class: "primary large", "data-testid": "op-signin-send" }, "Sign in");

  /** `submit(credential)`; `hasPrinted`: whether this node printed a key. */
  constructor(submit, hasPrinted) {
    const { input, label } = field(hasPrinted ? "Key, or access token of an admin" : "Access token of an admin", "op-signin-token", { type: "password", required: true, "aria-describedby": "op-signin-error op-signin-how" });
    this.#input = input;
    const how = hasPrinted
      ? ["This node runs with the embedded layer. At its start it made a key and printed it in its log, in the address of this page: the text after ", h("code", {}, "#key="), ". That address signs in by itself."]
      : ["A token of your project (", h("code", {}, "[auth.jwt]"), ") with a ", h("code", {}, "role"), " of ", h("code", {}, "api.admin_roles"), ", or with ", h("code", {}, "is_staff"), " or ", h("code", {}, "is_superuser"), ". On the node's machine: ", h("code", {}, "channelgate token --user 1 --claim role=admin")];
    const onSubmit = (event) => {
      event.preventDefault();
      const credential = input.value.trim().replace(/^Bearer\s+/i, "");
      if (credential === "") return this.fail("A token or key is needed.");
      return submit(credential);
    };
    this.element = h(
      "section", { class: "panel signin", "aria-labelledby": "op-signin-title", "data-testid": "op-signin" },
      h("h2", { id: "op-signin-title" }, "Operate the cluster"),
      h("p", {}, "Nodes, connections, losses and the live tail of all nodes; and the end of a user's connections. For admins."),
      h("form", { class: "stack", novalidate: true, on: { submit: onSubmit } }, label, this.#error, this.#send),
      h("p", { class: "hint", id: "op-signin-how" }, how),
      h("p", { class: "hint" }, "It is kept for this tab alone, and forgotten when you sign out or close it."),
    );
  }

  /** Shows why the credential was refused; without a reason only the form. */
  fail(reason) {
    this.#error.hidden = !reason;
    this.#error.textContent = reason ?? "";
    if (reason) this.#input.setAttribute("aria-invalid", "true");
    else this.#input.removeAttribute("aria-invalid");
    this.#input.value = "";
    this.#input.focus({ preventScroll: true });
  }
}
