// Page script: plain JavaScript, no eval and no inline code, so it runs under "script-src 'self'; style-src 'self'".
// Loaded with "defer" after htmx and idiomorph. Every page works without it; it makes pages quicker and keeps what
// people type.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (name, handler, options) => document.addEventListener(name, handler, options);
  // htmx calls a swapped 422 "successful", so look at the status as well.
  const ok = ({ detail }) => detail.xhr.status >= 200 && detail.xhr.status < 400 && !detail.failed;
  const said = (name) => document.body.dataset[name]; // sentences of this script, in the reader's language
  const alertUser = (name) => { $("#alerts").textContent = said(name); };
  const live = (element) => Boolean(element?.hasAttribute?.("data-live"));
  const token = () => $('meta[name="csrf-token"]').content;

  // 1. Request headers in one place. X-Poll: a live region asks by itself, which extends no session. X-Seen: the
  //    version it shows; the server answers 204 when nothing has changed.
  on("htmx:configRequest", (event) => {
    const { headers, elt } = event.detail;
    headers["X-CSRFToken"] = token();
    if (event.detail.verb === "get") event.detail.timeout = 30000; // one that hangs would stop a region in silence
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
  const failed = (name) => (event) => { if (!live(event.detail.elt)) alertUser(name); };
  on("htmx:responseError", failed("saidFailed"));
  for (const name of ["htmx:sendError", "htmx:timeout"]) on(name, failed("saidOffline"));

  // 3. hx-swap="keep": morph the region, leave alone what is being typed, forms with unsaved input, and which
  //    <details> are open.
  const dirty = new Set();
  on("htmx:afterSettle", () => dirty.forEach((form) => { if (!form.isConnected) dirty.delete(form); }));
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
    if (live(event.detail.elt) && event.detail.requestConfig?.verb === "get") return;
    const find = (selector) => (event.target.matches(selector) ? event.target : $(selector, event.target));
    const goal = find("[data-error-summary]") || (document.activeElement === document.body && find("[data-focus]"));
    if (goal) goal.focus();
  });
  $("[data-error-summary]")?.focus();

  // 5. A double click must not press the button that takes the place of the first one, nor a click another patient's,
  //    which a poll has moved under the pointer: for 600 ms after a change those buttons are dead that are new, stand
  //    elsewhere than before or do something else.
  const fresh = new WeakMap();
  const stand = (button) => {
    const { x, y } = button.getBoundingClientRect();
    return [x, y, button.form?.getAttribute("action"), button.textContent].join();
  };
  const buttons = () => [...document.querySelectorAll("button")];
  let before = null;
  on("htmx:beforeSwap", ({ detail }) => {
    const { verb, elt } = detail.requestConfig;
    const changes = live(elt) || (verb !== "get" && !elt.closest("[data-search], form:has([data-search])")); // no search
    before = changes && detail.shouldSwap ? new Map(buttons().map((button) => [button, stand(button)])) : null;
  });
  on("htmx:afterSwap", () => { // comes once for each new element; all of them are in place at the first
    if (!before) return;
    const now = Date.now();
    for (const button of buttons()) if (before.get(button) !== stand(button)) fresh.set(button, now);
    before = null;
  });
  on("click", (event) => {
    if (event.target.closest("[data-close-dialog], [data-close]")) return;
    const pressed = event.detail > 0; // by a pointer; a key presses what has the focus, never what has come under it
    if (!pressed || Date.now() - (fresh.get(event.target.closest("button")) || 0) >= 600) return;
    event.preventDefault();
    event.stopPropagation();
  }, true);

  // 6. Live regions: <section id="board" data-live="15" data-version="…" hx-get="…" hx-trigger="live" hx-swap="keep"
  //    hx-sync="this:abort">. Visible tabs only, four times slower after 60 s without input, doubling after each failure
  //    up to 5 minutes. Ends when the server leaves data-live out, or says that nobody is signed in. Never silently.
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
  const polled = (event) => {
    if (!live(event.detail.elt)) return;
    poll.failures = ok(event) ? 0 : poll.failures + 1;
    if (ok(event) && $("#alerts").textContent === said("saidStopped")) $("#alerts").replaceChildren();
    if (event.detail.xhr.status === 401) poll.stopped = true; // the answer carried the notice
    else if (poll.failures === 2) alertUser("saidStopped");
  };
  on("htmx:afterRequest", (event) => { if (event.detail.xhr.status) polled(event); }); // none: given up for a press, or
  for (const name of ["htmx:sendError", "htmx:timeout"]) on(name, polled); // one of these follows
  //    A poll that was asked before a press or a filter changed its region tells of what was: the next one asks again.
  on("htmx:beforeSwap", ({ detail }) => {
    const { elt, headers, path } = detail.requestConfig;
    if (!headers["X-Poll"] || detail.xhr.status >= 400) return;
    const asked = elt.isConnected && path === elt.getAttribute("hx-get") && headers["X-Seen"] === (elt.dataset.version || "");
    if (!asked) detail.shouldSwap = false;
  });
  //    What is pressed while a region's request is under way waits for it. htmx forgets both where the answer changes an
  //    attribute of the region, as its version, and nothing that waits would ever be sent.
  const turns = new Map();
  on("htmx:afterSwap", () => document.querySelectorAll('[hx-trigger="live"]').forEach((region) => {
    const own = region["htmx-internal-data"];
    if (own) turns.set(own, { xhr: own.xhr, abortable: own.abortable, queuedRequests: own.queuedRequests });
  }));
  on("htmx:afterSettle", () => {
    turns.forEach((turn, own) => Object.assign(own, turn));
    turns.clear();
  });
  on("htmx:afterRequest", (event) => { // somebody is signed in again: in another tab, and pressed a button here
    if (poll.stopped && ok(event) && !live(event.detail.elt)) Object.assign(poll, { stopped: false, failures: 0 });
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
  //    A form that comes back filled in by a step of its own (data-unsaved) is not saved either.
  const unsaved = (root) => root.querySelectorAll("form[data-unsaved]").forEach((form) => { dirty.add(form); later(form); });
  on("htmx:afterSettle", (event) => unsaved(event.target.parentElement || document));
  //    What is typed after a form was sent and before it comes back is not in what comes: it is put into it again.
  let since = [];
  on("htmx:beforeSwap", ({ detail: { target, requestConfig: { elt, formData }, shouldSwap } }) => {
    const form = elt.form || elt.closest("form");
    if (!shouldSwap || !form?.hasAttribute("data-guard") || !target.contains(form)) return;
    const fields = [...form.querySelectorAll(":is(textarea, select, input:not([type=hidden]))[id][name]:enabled")];
    const same = (field) => (ticks(field) ? field.checked === formData.getAll(field.name).includes(field.value)
      : field.value === (formData.get(field.name) || ""));
    since = fields.filter((field) => !same(field)).map(({ id, value, checked }) => ({ id, value, checked }));
  });
  const ticks = ({ type }) => type === "checkbox" || type === "radio";
  on("htmx:afterSettle", () => {
    for (const { id, value, checked } of since.splice(0)) {
      const field = document.getElementById(id);
      if (!field) continue;
      Object.assign(field, ticks(field) ? { checked } : { value });
      for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, { bubbles: true }));
    }
  });
  addEventListener("beforeunload", (event) => {
    if ([...dirty].some((form) => form.isConnected && form.hasAttribute("data-guard"))) event.preventDefault();
  });

  // 8. Drafts: <form data-draft> is kept on the server two seconds after the last key, so a lost session, browser or
  //    machine loses nothing. The answer says whether it is kept. Never in this browser's own storage. Asked for as htmx
  //    asks: where the session is over, the answer is the notice that says so, and where the token is old, a new one.
  const waiting = new WeakMap();
  const underway = new WeakMap(); // a draft on its way to the server, which must not come there after its form
  const keep = async (form, signal, again = false) => {
    const body = new URLSearchParams(new FormData(form));
    body.delete("csrf_token");
    const headers = { "X-CSRFToken": token(), "HX-Request": "true", "HX-Current-URL": location.href };
    const answer = await fetch("/drafts", { method: "POST", body, headers, signal }).catch(() => null);
    const text = (await answer?.text().catch(() => "")) || "";
    if (signal.aborted) return;
    const state = $("[data-draft-state]", form);
    if (state) state.textContent = answer?.ok ? text : said("saidNoDraft");
    if (answer?.ok) rearm();
    if (answer?.status === 401) $("#alerts").innerHTML = text;
    const renewed = answer?.headers.get("HX-Trigger");
    if (renewed && !again) {
      document.dispatchEvent(new CustomEvent("token", { detail: JSON.parse(renewed).token }));
      await keep(form, signal, true);
    }
  };
  const draft = (form) => {
    const stop = new AbortController();
    const done = keep(form, stop.signal).finally(() => { if (underway.get(form)?.stop === stop) underway.delete(form); });
    underway.set(form, { stop, done });
  };
  const later = (form) => {
    if (!form?.hasAttribute("data-draft")) return;
    clearTimeout(waiting.get(form));
    waiting.set(form, setTimeout(() => {
      if (!form.isConnected) return;
      if (underway.has(form) || sending(form)) later(form); // one at a time, and none behind its form
      else draft(form);
    }, 2000));
  };
  const left = new WeakSet(); // forms that the browser itself has sent
  const sending = (form) => left.has(form) || form.matches(".htmx-request, :has(button.htmx-request)");
  on("input", ({ target }) => later(target.form));
  on("submit", (event) => { // waits for a draft on its way, a second at most
    const { target: form, submitter } = event;
    clearTimeout(waiting.get(form));
    const sent = underway.get(form);
    if (!sent) {
      if (!form.hasAttribute("hx-post")) left.add(form);
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    if (sent.awaited) return;
    sent.awaited = true;
    Promise.race([sent.done, new Promise((then) => { setTimeout(then, 1000); })]).then(() => {
      sent.stop.abort();
      underway.delete(form);
      if (form.isConnected) form.requestSubmit(form.contains(submitter) ? submitter : null);
    });
  }, true);

  unsaved(document);

  //    A page is used before this script runs where the machine or the line is slow. What was typed or chosen until then
  //    counts as well, and is looked for. After Back and Reload the browser itself may fill in what was sent long ago.
  const preset = (select) => Math.max([...select.options].findLastIndex((one) => one.defaultSelected), 0);
  const typed = (field) => (field.options?.length ? field.selectedIndex !== preset(field)
    : "defaultValue" in field && (field.value !== field.defaultValue || field.checked !== field.defaultChecked));
  const arrived = performance.getEntriesByType("navigation")[0]?.type === "navigate";
  for (const form of arrived ? document.forms : []) {
    if ([...form.elements].some(typed)) { dirty.add(form); later(form); }
  }
  on("DOMContentLoaded", () => { // htmx listens by now
    for (const one of document.querySelectorAll("[hx-trigger~=typed]")) {
      if ([...(one.elements || [one])].some(typed)) htmx.trigger(one, "typed");
    }
  });

  // 9. Session end: <body data-session="900"> shows #session-warning two minutes before.
  const seconds = Number(document.body.dataset.session) || 0;
  let timer;
  const rearm = () => {
    clearTimeout(timer);
    $("#session-warning")?.setAttribute("hidden", "");
    if (seconds) timer = setTimeout(() => $("#session-warning")?.removeAttribute("hidden"), (seconds - 120) * 1000);
  };
  on("htmx:afterRequest", (event) => { if (ok(event) && !live(event.detail.elt)) rearm(); });
  rearm();

  // 10. A notice goes when the next one comes or when its Close button is pressed, never by itself.
  on("click", (event) => { event.target.closest("[data-close]")?.parentElement.remove(); });

  // 11. A page the browser kept for Back or Forward may show somebody who has signed out since: ask for it again.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  // 12. A browser on another clock than the clinic is told so. Offsets are compared, as zones have several names.
  const compareClocks = () => document.querySelectorAll("[data-utc-minutes]").forEach((line) => {
    line.hidden = -new Date().getTimezoneOffset() === Number(line.dataset.utcMinutes);
  });
  on("htmx:afterSettle", compareClocks);
  compareClocks();

  // 13. An open menu closes with Escape, and when something else is pressed.
  const shut = (menu) => { menu.open = false; };
  const menus = () => document.querySelectorAll("details[name][open]");
  on("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of menus()) {
      if (menu.contains(document.activeElement)) $("summary", menu).focus();
      shut(menu);
    }
  });
  on("click", ({ target }) => menus().forEach((menu) => { if (!menu.contains(target)) shut(menu); }));

  // 14. <button data-print> prints the page.
  on("click", (event) => { if (event.target.closest("[data-print]")) print(); });
})();
