// Keys: going to a page, to the search, to the next patient, and the palette; press ? for the list. Single keys work
// only outside inputs and can be switched off (WCAG 2.1.4): then <body> has no data-keys.
(() => {
  "use strict";
  const $ = (selector, root = document) => root.querySelector(selector);
  const on = (name, handler, options) => document.addEventListener(name, handler, options);
  const typing = (element) => element.matches("input, textarea, select, [contenteditable]");
  const shown = (element) => element.checkVisibility();
  const dialog = $("#palette");
  let goes = 0; // when g was pressed: the next key says where

  // The palette and the list of keys are fetched when they are first wanted. What is typed before the palette has come
  // goes into a field that stands in for its own.
  const body = $("#palette-body");
  const open = async (address) => {
    if (!dialog || dialog.open) return;
    if ($("#palette-q")) { $("#palette-q").focus(); return; } // the palette as a page of its own
    dialog.showModal();
    const early = Object.assign(document.createElement("input"), { type: "search", className: "form-control", autocomplete: "off" });
    early.setAttribute("aria-label", dialog.getAttribute("aria-label"));
    if (address === "/palette") body.append(early);
    early.focus();
    await htmx.ajax("GET", address, { source: body, target: body, swap: "innerHTML" }).catch(() => dialog.close());
    if (!dialog.open || early.isConnected) { dialog.close(); return; }
    const field = $("input[type=search]", dialog);
    (field || dialog).focus();
    if (!field || !early.value) return;
    field.value = early.value;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  on("click", (event) => {
    const opener = event.target.closest("[data-palette]");
    if (opener) open(opener.dataset.palette);
    if (event.target === dialog || event.target.closest("[data-close-dialog]")) dialog.close();
  });
  dialog?.addEventListener("close", () => { // an answer still to come would fill it while nobody sees it
    htmx.trigger(body, "htmx:abort");
    body.replaceChildren();
  });

  // In the palette: what is typed narrows the places; patients come from the server. Arrows walk through the links. Enter
  // opens the first one, but no patient who was found for what was typed before: then it searches.
  on("input", ({ target }) => {
    if (!target.matches("#palette input")) return;
    const wanted = target.value.trim().toLowerCase();
    for (const item of dialog.querySelectorAll("[data-place]")) {
      item.hidden = !item.textContent.toLowerCase().includes(wanted);
    }
  });
  const walk = (event) => {
    const links = [...dialog.querySelectorAll("a, button[type=submit]:not(.visually-hidden)")].filter(shown);
    const at = links.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && links.length) {
      links[(at + step + links.length) % links.length].focus();
      event.preventDefault();
    } else if (event.key === "Enter" && typing(event.target) && !event.isComposing) {
      const found = $("[data-found-for]", dialog);
      const old = found && found.dataset.foundFor !== event.target.value.trim();
      const first = links.find((link) => !(old && found.contains(link)));
      if (!first) return;
      first.click();
      event.preventDefault();
    }
  };

  // Beside a search as one types: arrows walk from the field through what was found, and back up into the field.
  const throughFound = (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return false;
    for (const field of document.querySelectorAll("[data-search]")) {
      const target = field.closest("[hx-target^='#']")?.getAttribute("hx-target");
      const found = target && $(target);
      const inside = event.target !== field && found?.contains(event.target);
      if (!found || (event.target !== field && (!inside || typing(event.target)))) continue;
      const after = (one) => shown(one) && field.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING;
      const stops = [field, ...[...found.querySelectorAll("a, button, :checked")].filter(after)];
      const goal = stops[stops.indexOf(event.target) + step];
      goal?.focus();
      return Boolean(goal);
    }
    return false;
  };

  // Alt+N: the next patient who waits for something, from where the focus is.
  const next = () => {
    const all = [...document.querySelectorAll("[data-next-open]")].filter(shown);
    const after = all.find((one) => document.activeElement.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING
      && one !== document.activeElement);
    (document.activeElement === document.body ? all[0] : after || all[0])?.focus();
  };
  const press = (element) => {
    if (!element) return false;
    if (typing(element)) element.focus(); else element.click();
    return true;
  };

  on("keydown", (event) => {
    if (dialog?.open) return walk(event);
    if (event.altKey && !event.ctrlKey && event.code === "KeyN") { next(); event.preventDefault(); return; }
    if ((event.ctrlKey || event.metaKey) && event.code === "KeyK") { open("/palette"); event.preventDefault(); return; }
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (throughFound(event)) { event.preventDefault(); return; }
    if (typing(event.target)) return;
    if (!document.body.hasAttribute("data-keys")) return;
    const going = Date.now() - goes < 1500;
    goes = 0;
    let done = true;
    if (going) done = press($(`[data-go="${CSS.escape(event.key)}"]`));
    else if (event.key === "g") goes = Date.now();
    else if (event.key === "?") open("/keys");
    else if (event.key === "/") done = press($("[data-search]")) || (open("/palette"), true);
    else done = press([...document.querySelectorAll(`[data-key="${CSS.escape(event.key)}"]`)].find(shown));
    if (done) event.preventDefault();
  });
})();
