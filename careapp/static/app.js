// Page script: plain JavaScript, no eval and no inline code, so it runs under "script-src 'self'; style-src 'self'".
// Loaded with "defer" after htmx and idiomorph. Every page works without it; it makes pages quicker and keeps what
// people type.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (name, handler, options) => document.addEventListener(name, handler, options);
  const live = (element) => Boolean(element?.hasAttribute?.("data-live"));
  // htmx calls a swapped 422 "successful", so look at the status as well.
  const ok = ({ detail }) => detail.xhr.status >= 200 && detail.xhr.status < 400 && !detail.failed;
  const alertUser = (text) => { $("#alerts").textContent = text; };

  // 1. Request headers in one place. X-Poll: the server must not extend the session for it.
  //    X-Seen: the version shown now; the server answers 204 when nothing changed.
  on("htmx:configRequest", (event) => {
    const { headers, elt } = event.detail;
    headers["X-CSRFToken"] = $('meta[name="csrf-token"]').content;
    if (live(elt)) Object.assign(headers, { "X-Poll": "1", "X-Seen": elt.dataset.version || "" });
  });
  //    After a new sign-in in another tab the old token is refused (400). The answer then carries
  //    HX-Trigger: {"token": {"value": "…"}} and the next press of the button works.
  on("token", (event) => {
    $('meta[name="csrf-token"]').content = event.detail.value;
    document.querySelectorAll('input[name="csrf_token"]').forEach((input) => { input.value = event.detail.value; });
  });

  // 2. The htmx-config swaps success, 409 and 422. Any other refusal is swapped only when the server retargets it
  //    (a notice for #alerts). A whole document (a proxy's error or login page) never lands inside a fragment.
  on("htmx:beforeSwap", (event) => {
    const { xhr, serverResponse } = event.detail;
    if (xhr.status >= 400 && xhr.getResponseHeader("HX-Retarget")) {
      Object.assign(event.detail, { shouldSwap: true, isError: false });
    }
    if (/^\s*<(!doctype|html)/i.test(serverResponse)) {
      Object.assign(event.detail, { shouldSwap: false, isError: true });
    }
  });
  const failed = (text) => (event) => { if (!live(event.detail.elt)) alertUser(text); };
  on("htmx:responseError", failed("That did not work. Your entries are still on this page."));
  on("htmx:sendError", failed("No connection. Your entries are still on this page."));

  // 3. hx-swap="keep": morph the region, leave alone what is being typed, forms with unsaved input, and which
  //    <details> are open.
  const dirty = new Set();
  htmx.defineExtension("keep", {
    isInlineSwap: (style) => style === "keep",
    handleSwap: (style, target, fragment) => style === "keep" && Idiomorph.morph(target, fragment.children, {
      morphStyle: "outerHTML",
      ignoreActiveValue: true,
      callbacks: {
        beforeNodeMorphed: (old) => !dirty.has(old),
        beforeAttributeUpdated: (name, node) => !(name === "open" && node.tagName === "DETAILS"),
      },
    }),
  });

  // 4. Focus: to the error summary, also when a plain page arrives with one; else, when the pressed control is gone,
  //    to [data-focus] in the new part.
  on("htmx:afterSettle", (event) => {
    if (live(event.detail.elt)) return;
    const find = (selector) => (event.target.matches(selector) ? event.target : $(selector, event.target));
    const goal = find("[data-error-summary]") || (document.activeElement === document.body && find("[data-focus]"));
    if (goal) goal.focus();
  });
  $("[data-error-summary]")?.focus();

  // 5. A double click must not press the button that takes the place of the first one.
  const fresh = new WeakMap();
  on("htmx:afterSwap", (event) => {
    if (event.detail.requestConfig?.verb !== "get") fresh.set(event.target, Date.now());
  });
  on("click", (event) => {
    for (let node = event.target.closest("button"); node; node = node.parentElement) {
      if (Date.now() - (fresh.get(node) || 0) < 600) { event.preventDefault(); event.stopPropagation(); return; }
    }
  }, true);

  // 6. Live regions: <section id="board" data-live="15" data-version="…" hx-get="…" hx-trigger="live"
  //    hx-swap="keep" hx-sync="this:drop">. Visible tabs only, 4x slower after 60 s without input,
  //    doubling after each failure up to 5 minutes. Ends when the server leaves data-live out, or on 401.
  const poll = { lastInput: Date.now(), failures: 0, stopped: false };
  for (const name of ["pointerdown", "keydown"]) on(name, () => { poll.lastInput = Date.now(); }, { passive: true });
  const delay = () => {
    const base = 1000 * (Number($("[data-live]")?.dataset.live) || 15);
    return Math.min(base * (Date.now() - poll.lastInput > 60000 ? 4 : 1) * 2 ** poll.failures, 300000);
  };
  const tick = () => {
    if (document.hidden || poll.stopped) return;
    document.querySelectorAll("[data-live]").forEach((region) => htmx.trigger(region, "live"));
  };
  const loop = () => setTimeout(() => { tick(); loop(); }, delay());
  on("htmx:afterRequest", (event) => {
    if (!live(event.detail.elt)) return;
    const wasStopped = poll.failures >= 2;
    poll.failures = ok(event) ? 0 : poll.failures + 1;
    if (event.detail.xhr.status === 401) poll.stopped = true; // the answer carried the notice
    else if (poll.failures === 2) alertUser("Live updates have stopped. Reload the page to be sure of what you see.");
    else if (wasStopped && !poll.failures) alertUser("Live updates are back.");
  });
  on("visibilitychange", tick);
  loop();

  // 7. Unsaved input: <form data-guard> asks before the page is left, also after a refused save.
  on("input", (event) => { if (event.target.form) dirty.add(event.target.form); });
  if ($("[data-error-summary]")) document.querySelectorAll("form[data-guard]").forEach((form) => dirty.add(form));
  on("submit", (event) => { if (!event.target.hasAttribute("hx-post")) dirty.delete(event.target); });
  on("htmx:afterRequest", (event) => { if (ok(event)) dirty.delete(event.detail.elt); });
  on("htmx:afterSwap", (event) => {
    if (!ok(event)) event.target.querySelectorAll("form[data-guard]").forEach((form) => dirty.add(form));
  });
  addEventListener("beforeunload", (event) => {
    if ([...dirty].some((form) => form.isConnected && form.hasAttribute("data-guard"))) event.preventDefault();
  });

  // 8. Session end: <body data-session="900"> shows #session-warning two minutes before; polls do not count.
  const seconds = Number(document.body.dataset.session) || 0;
  let timer;
  const rearm = () => {
    clearTimeout(timer);
    $("#session-warning")?.setAttribute("hidden", "");
    if (seconds) timer = setTimeout(() => $("#session-warning")?.removeAttribute("hidden"), (seconds - 120) * 1000);
  };
  on("htmx:afterRequest", (event) => { if (ok(event) && !live(event.detail.elt)) rearm(); });
  rearm();

  // 9. A notice goes when the next one comes or when its Close button is pressed, never by itself.
  on("click", (event) => { event.target.closest("[data-close]")?.parentElement.remove(); });
})();
