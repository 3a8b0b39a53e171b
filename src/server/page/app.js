// SPDX-License-Identifier: MIT
// app.js - the page's frame: views, list of conversations, colours, keys.

import { $, el, button, toast } from "./dom.js";
import { models } from "./api.js";
import { chat, deleteNow, modelOf, open, rename, send, stopNow } from "./chat.js";
import { drawPanel, showPanel } from "./panel.js";
import { showDash } from "./dash.js";
import * as store from "./store.js";

const DRAFT = "brrr.draft";
const NARROW = matchMedia("(max-width: 760px)");

// --- views ---

function show() {
  const dash = location.hash === "#dashboard";
  $("chat-view").hidden = dash;
  $("dash-view").hidden = !dash;
  if (dash) $("panel").hidden = true;
  for (const [id, on] of [["to-chat", !dash], ["to-dash", dash]]) {
    if (on) $(id).setAttribute("aria-current", "page"); else $(id).removeAttribute("aria-current");
  }
  document.title = dash ? "Dashboard - brrr" : "brrr";
  drawer(false);
  showDash(dash);
}

function drawer(on) {
  const wide = !NARROW.matches;
  $("side").classList.toggle("open", on && !wide);
  $("side").inert = !wide && !on;
  $("shade").hidden = wide || !on;
  if (on && !wide) $("side").querySelector("button, a").focus();
}

// --- the list ---

function drawList() {
  const item = (c) => el("li", {}, el("button", {
    type: "button", "aria-current": c.id === chat.now?.id ? "true" : null, title: c.title,
    onclick: () => { open(c.id); location.hash = ""; drawer(false); if (!NARROW.matches) $("input").focus(); },
  }, c.title));
  const list = store.chats();
  $("chats").replaceChildren(...list.map(item));
  if (list.length === 0) $("chats").append(el("li", { class: "none" }, "None yet"));
}

function onOpen() {
  const name = modelOf(chat.now.settings);
  $("model").textContent = name;
  $("model").title = name;
  $("model").hidden = !name;
  drawPanel();
}

function startNew() {
  open(null);
  location.hash = "";
  drawer(false);
  $("input").focus();
}

// --- colours ---

const isDark = () => (document.documentElement.dataset.theme ??
  (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

function drawTheme() {
  const dark = isDark();
  const flip = button(dark ? "sun" : "moon", dark ? "Light colours" : "Dark colours", () => {
    document.documentElement.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("brrr.theme", dark ? "light" : "dark"); } catch { /* for this visit */ }
    drawTheme();
    $("theme").querySelector("button").focus();
  }, { shown: true });
  $("theme").replaceChildren(flip);
}

// --- the frame ---

function exportMenu() {
  const close = () => { menu.open = false; };
  const item = (kind, label) => el("button", { type: "button", onclick: () => { close(); store.download(chat.now, kind); } }, label);
  const head = button("download", "Export", () => {});
  const summary = el("summary", { "aria-label": "Export", title: "Export", class: "quiet square" }, ...head.childNodes);
  const menu = el("details", { class: "menu" }, summary,
    el("div", {}, item("md", "Markdown"), item("json", "JSON")));
  document.addEventListener("click", (e) => { if (!menu.contains(e.target)) close(); });
  menu.addEventListener("keydown", (e) => { if (e.key === "Escape") { close(); summary.focus(); e.stopPropagation(); } });
  return menu;
}

function viewLink(id, name, label, hash) {
  const words = button(name, label, () => {}, { shown: true });
  return el("a", { id, href: hash, class: "quiet" }, ...words.childNodes);
}

function frame() {
  $("new").append(button("plus", "New conversation", startNew, { shown: true, class: "new" }));
  $("side-foot").append(viewLink("to-chat", "chat", "Chat", "#"), viewLink("to-dash", "gauge", "Dashboard", "#dashboard"),
                        el("span", { id: "theme" }));
  for (const id of ["chat-menu", "dash-menu"]) $(id).append(button("menu", "Conversations and views", () => drawer(true), { class: "quiet square only-narrow" }));
  $("chat-acts").append(exportMenu(), button("trash", "Delete conversation", () => { deleteNow(); $("input").focus(); }, { id: "delete" }),
    button("sliders", "Settings", () => showPanel(), { id: "settings", "aria-expanded": "false", "aria-controls": "panel" }));
  $("shade").addEventListener("click", () => drawer(false));
  $("title").addEventListener("change", () => rename($("title").value));
  $("title").addEventListener("keydown", (e) => { if (e.key === "Enter") { rename($("title").value); $("input").focus(); } });
  $("key-cancel").addEventListener("click", () => $("key").close("no"));
  NARROW.addEventListener("change", () => drawer(false));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawTheme);
  drawTheme();
}

// --- the message field ---

function fit() {
  const field = $("input");
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, innerHeight * 0.4)}px`;
  sessionStorage.setItem(DRAFT, field.value);
}

function submit() {
  if ($("send").classList.contains("stop")) { stopNow(); return; }
  if (send($("input").value)) { $("input").value = ""; fit(); }
  $("input").focus();
}

const isField = (node) => /^(INPUT|TEXTAREA|SELECT)$/.test(node.nodeName);

function onKey(e) {
  if (e.key === "Escape" && !$("key").open) {
    if ($("side").classList.contains("open")) drawer(false);
    else if (!stopNow() && !$("panel").hidden) showPanel(false);
  }
  if (e.key === "/" && !isField(e.target) && !e.ctrlKey && !e.metaKey && !e.altKey) {
    e.preventDefault();
    location.hash = "";
    show();
    $("input").focus();
  }
}

function composer() {
  $("composer").addEventListener("submit", (e) => { e.preventDefault(); submit(); });
  $("input").addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); if (!$("send").classList.contains("stop")) submit(); }
  });
  $("input").addEventListener("input", fit);
  $("input").value = sessionStorage.getItem(DRAFT) ?? "";
  document.addEventListener("keydown", onKey);
  fit();
}

async function findModels() {
  try {
    chat.models = await models();
    onOpen();
  } catch (e) {
    toast(e.message, "Try again", findModels);
  }
}

chat.onchange = drawList;
chat.onopen = onOpen;
frame();
composer();
open(store.chats()[0]?.id);
addEventListener("hashchange", show);
addEventListener("storage", drawList);
show();
findModels();
