// Light or dark: what the user has set, else as the system is set. Runs before the first paint (loaded without "defer"),
// because Bootstrap reads the theme from an attribute and the policy forbids inline script. Without JavaScript pages are
// light, unless the user has set them dark.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js"); // for what is of use only with JavaScript
  if (root.dataset.bsTheme) return;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { root.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", follow);
  follow();
})();
