// What must be so before the first paint and before htmx (loaded without "defer", as the policy forbids inline script).
// Light or dark: what the user has set, else as the system is set; Bootstrap reads it from an attribute. Without
// JavaScript pages are light, unless the user has set them dark.
(() => {
  "use strict";
  // htmx notes the address of the page in sessionStorage, and an address may hold a patient's number: it is not to.
  const store = Storage.prototype.setItem;
  Storage.prototype.setItem = function setItem(key, value) {
    if (key !== "htmx-current-path-for-history") store.call(this, key, value);
  };
  const root = document.documentElement;
  root.classList.add("js"); // for what is of use only with JavaScript
  // Paper is light. Each browser tells of it in one of two ways.
  let shown = null;
  const paper = (printing) => {
    if (printing === (shown !== null)) return;
    [shown, root.dataset.bsTheme] = printing ? [root.dataset.bsTheme, "light"] : [null, shown];
  };
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));
  matchMedia("print").addEventListener("change", (event) => paper(event.matches));
  if (root.dataset.bsTheme) return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", follow);
  follow();
})();
