// Passkeys: a form with data-passkey asks the server what to sign, the device for the answer, and then sends itself.
// Without JavaScript, or in a browser that knows no passkeys, such a form stays hidden and the page says so.
(() => {
  "use strict";
  const known = window.PublicKeyCredential && PublicKeyCredential.parseCreationOptionsFromJSON;
  if (!known) return;
  document.documentElement.classList.add("passkeys");

  const options = async (form) => {
    const headers = { "X-CSRFToken": form.elements.csrf_token.value };
    const answer = await fetch(form.dataset.options, { method: "POST", headers, credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    return answer.json();
  };
  const asked = {
    make: async (given) => navigator.credentials.create({
      publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(given),
    }),
    prove: async (given) => navigator.credentials.get({
      publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(given),
    }),
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form[data-passkey]") || form.elements.passkey.value) return;
    event.preventDefault();
    const button = form.querySelector("button[type=submit]");
    const said = form.querySelector("[data-passkey-said]");
    button.disabled = true;
    said.hidden = true;
    try {
      const made = await asked[form.dataset.passkey](await options(form));
      form.elements.passkey.value = JSON.stringify(made.toJSON());
      form.submit();
    } catch {
      said.hidden = false;
      button.disabled = false;
      button.focus();
    }
  });
})();
