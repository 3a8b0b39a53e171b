// SPDX-License-Identifier: MIT
// panel.js - the settings of the conversation that is shown: model, system prompt, sampling.

import { $, el, button } from "./dom.js";
import { chat, modelOf, settingsChanged } from "./chat.js";
import { SAMPLING } from "./store.js";

const FIELDS = [
  ["temperature", "Temperature", "0 takes the likeliest token each time"],
  ["top_p", "Top p", "Keep the likeliest tokens that sum up to it"],
  ["top_k", "Top k", "Keep so many tokens; 0: all"],
  ["min_p", "Min p", "Drop what is less likely than this part of the likeliest"],
  ["max_tokens", "Max tokens", "Of an answer; empty: as many as fit"],
  ["seed", "Seed", "The same seed gives the same answer; empty: a new one each time"],
];

function change(name, value) {
  chat.now.settings[name] = value;
  settingsChanged();
}

// A number, and a slider beside it where its range is one.
function numberField([name, label, hint]) {
  const [off, least, largest, step] = SAMPLING[name];
  const id = `set-${name}`, value = chat.now.settings[name];
  const box = el("input", { id, type: "number", min: least, max: largest, step: step === 1 ? 1 : "any",
                            "aria-describedby": `${id}-hint`, inputmode: "decimal",
                            placeholder: off === null ? (name === "seed" ? "random" : "no limit") : off });
  const slider = step === 1 ? null : el("input", { type: "range", min: least, max: largest, step,
                                                   "aria-label": `${label}, slider` });
  box.value = value ?? "";
  if (slider) slider.value = value;
  box.addEventListener("change", () => {
    const n = box.value === "" ? off : Math.min(largest, Math.max(least, Number(box.value)));
    const whole = n !== null && step === 1 ? Math.round(n) : n;
    box.value = whole ?? "";
    if (slider) slider.value = whole;
    change(name, whole);
  });
  slider?.addEventListener("input", () => { box.value = slider.value; change(name, Number(slider.value)); });
  return el("div", { class: "setting" },
    el("div", { class: "setting-line" }, el("label", { for: id }, label), box), slider,
    el("p", { class: "hint", id: `${id}-hint` }, hint));
}

function modelField() {
  const select = el("select", { id: "set-model" }, ...chat.models.map((m) => el("option", { value: m }, m)));
  select.value = modelOf(chat.now.settings);
  select.addEventListener("change", () => { change("model", select.value); chat.onopen(); });
  return el("div", { class: "setting" }, el("label", { for: "set-model" }, "Model"), select);
}

function systemField() {
  const field = el("textarea", { id: "set-system", rows: 4, placeholder: "You are a helpful assistant." });
  field.value = chat.now.settings.system;
  field.addEventListener("input", () => change("system", field.value));
  return el("div", { class: "setting" }, el("label", { for: "set-system" }, "System prompt"), field);
}

function logprobField() {
  const box = el("input", { id: "set-logprobs", type: "checkbox" });
  box.checked = chat.now.settings.logprobs;
  box.addEventListener("change", () => change("logprobs", box.checked));
  return el("div", { class: "setting check" }, box, el("label", { for: "set-logprobs" }, "Log-probabilities with every answer"),
    el("p", { class: "hint" }, "Without it they are asked for when you want to see an answer’s tokens."));
}

function reset() {
  for (const [name, [off]] of Object.entries(SAMPLING)) chat.now.settings[name] = off;
  settingsChanged();
  drawPanel();
}

export function drawPanel() {
  if ($("panel").hidden) return;
  $("panel").replaceChildren(
    el("header", { class: "bar" }, el("h2", {}, "Settings"), button("close", "Close settings", () => showPanel(false))),
    el("div", { class: "panel-body" }, chat.models.length > 1 ? modelField() : null, systemField(),
       ...FIELDS.map(numberField), logprobField(),
       button("redo", "Defaults", reset, { shown: true })));
}

export function showPanel(on = $("panel").hidden) {
  $("panel").hidden = !on;
  $("settings").setAttribute("aria-expanded", on);
  if (!on) { $("settings").focus(); return; }
  drawPanel();
  $("panel").querySelector("select, textarea").focus();
}
