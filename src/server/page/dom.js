// SPDX-License-Identifier: MIT
// dom.js - making nodes. Text goes in as text and nothing is ever parsed as markup, so that what a
// model or a stored conversation says can not become more than text.

export const $ = (id) => document.getElementById(id);

// el("button", { class: "quiet", "aria-label": "Copy", onclick: fn }, child or text, ...)
export function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== false));
  return node;
}

const SVG = "http://www.w3.org/2000/svg";

// Lines on a grid of 24.
const ICONS = {
  plus: "M12 5v14M5 12h14",
  menu: "M4 7h16M4 12h16M4 17h16",
  chat: "M4 5h16v11H9l-5 4z",
  gauge: "M4 18a8 8 0 1 1 16 0M12 18l4-6",
  sliders: "M4 8h8M20 8h-2M15 5v6M4 16h2M12 16h8M9 13v6",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  redo: "M20 5v5h-5M19.5 10A8 8 0 1 0 20 14",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  tokens: "M5 19v-7M10 19V5M15 19v-9M20 19v-4",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8M12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4",
  moon: "M19 14.5A8 8 0 0 1 9.5 5 7.5 7.5 0 1 0 19 14.5",
  close: "M6 6l12 12M18 6L6 18",
};

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

// A button with a picture, and its words for those who do not see it (or beside it).
export function button(name, label, onclick, { shown = false, ...props } = {}) {
  const words = shown ? el("span", {}, label) : null;
  return el("button", { type: "button", class: shown ? "quiet" : "quiet square", onclick,
                        "aria-label": shown ? null : label, title: shown ? null : label, ...props },
            icon(name), words);
}

// Said once to screen readers, when they have time.
export function announce(text) {
  $("live").textContent = "";
  setTimeout(() => { $("live").textContent = text; }, 50);
}

let toastTimer = 0;

// A line at the bottom, for a few seconds; act: a word on a button, and what it does.
export function toast(text, act, fn) {
  const box = $("toast");
  clearTimeout(toastTimer);
  box.replaceChildren(el("span", {}, text));
  if (act) {
    box.append(el("button", { type: "button", onclick: () => { box.hidden = true; fn(); } }, act));
  }
  box.hidden = false;
  toastTimer = setTimeout(() => { box.hidden = true; }, 8000);
}

export async function copyText(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    node.classList.add("done");
    setTimeout(() => node.classList.remove("done"), 1200);
    announce("Copied");
  } catch {
    toast("The browser did not allow copying.");
  }
}
