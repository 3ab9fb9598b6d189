// Follows the system's light or dark setting. Runs before the first paint (loaded without "defer"), because Bootstrap
// reads the theme from an attribute and the policy forbids inline script. Without JavaScript pages are light.
(() => {
  "use strict";
  document.documentElement.classList.add("js"); // for what is of use only with JavaScript
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", follow);
  follow();
})();
