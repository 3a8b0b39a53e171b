// SPDX-License-Identifier: MIT
// answer.js - how one message looks: its text, its figures, its tokens by probability.

import { el, button, copyText } from "./dom.js";
import { grow, markdown } from "./markdown.js";
import { FINISHES } from "./store.js";

export const ms = (v) => v >= 1000 ? `${(v / 1000).toFixed(2)} s` : v >= 100 ? `${v.toFixed(0)} ms`
  : `${v.toFixed(v >= 10 ? 1 : 2)} ms`;
export const rate = (v) => v >= 100 || v === 0 ? v.toFixed(0) : v.toFixed(1);
const percent = (logprob) => {
  const p = 100 * Math.exp(logprob);
  return p >= 99.95 ? "100 %" : p >= 0.1 ? `${p.toFixed(1)} %` : "< 0.1 %";
};

// --- figures ---

const FIGURES = [
  ["ttft", "TTFT", (v) => ms(v), "Time to the first token, as this browser saw it"],
  ["itl", "ITL", (v) => ms(v), "Mean time between tokens"],
  ["rate", "", (v) => `${rate(v)} tok/s`, "Tokens a second, after the first"],
  ["tokens", "", (v) => `${v} token${v === 1 ? "" : "s"}`, "Length of the answer"],
];

function figures(m) {
  const out = el("p", { class: "figures" });
  if (FINISHES[m.finish]) out.append(el("span", { class: "finish" }, FINISHES[m.finish]));
  for (const [name, label, show, title] of FIGURES) {
    const v = m.stats?.[name];
    if (v === null || v === undefined) continue;
    out.append(el("span", { title }, label ? el("small", {}, `${label} `) : "", show(v)));
  }
  const { prompt, cached } = m.stats ?? {};
  if (prompt) {
    out.append(el("span", { title: "Length of the prompt, and how much of it the cache had" },
                  `prompt ${prompt}${cached ? `, ${cached} cached` : ""}`));
  }
  return out;
}

// --- tokens ---

const STEPS = [0.9, 0.6, 0.3, 0.1, 0.02];
const shade = (logprob) => STEPS.findIndex((p) => Math.exp(logprob) >= p);
const shown = (text) => `“${text.replaceAll("\n", "⏎").replaceAll(" ", "·")}”`;

function describe([text, logprob, others]) {
  const rest = others.filter(([t]) => t !== text).map(([t, l]) => `${shown(t)} ${percent(l)}`);
  return `${shown(text)} ${percent(logprob)}${rest.length ? `; instead of ${rest.join(", ")}` : ""}`;
}

// Coloured by probability; arrows or a click choose one, the line below says what it was.
function tokenView(tokens) {
  const line = el("p", { class: "token-line", "aria-live": "polite" },
                  "Choose a token with the arrow keys, or point at one.");
  const box = el("div", { class: "tokens", tabindex: 0, role: "group",
                          "aria-label": "Tokens by probability; arrow keys choose one" });
  let at = -1;
  const choose = (i) => {
    if (i < 0 || i >= tokens.length) return;
    box.children[at]?.classList.remove("chosen");
    at = i;
    box.children[at].classList.add("chosen");
    line.textContent = describe(tokens[at]);
  };
  tokens.forEach((t, i) => {
    const k = shade(t[1]);
    box.append(el("span", { class: `p${k < 0 ? STEPS.length : k}`, "data-i": i }, t[0]));
  });
  const point = (e) => { if (e.target.dataset.i) choose(Number(e.target.dataset.i)); };
  box.addEventListener("click", point);
  box.addEventListener("mouseover", point);
  box.addEventListener("keydown", (e) => {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (move) { choose(at + move); e.preventDefault(); }
  });
  const scale = el("p", { class: "scale", "aria-hidden": "true" }, "likely ",
                   ...[...STEPS, 0].map((_, k) => el("span", { class: `p${k}` }, "  ")), " unlikely");
  return el("div", {}, box, line, scale);
}

// --- messages ---

export function userView(m, act) {
  const copy = button("copy", "Copy", () => copyText(m.text, copy));
  const node = el("article", { class: "message user", "aria-label": "You" },
    el("div", { class: "text", dir: "auto" }, m.text),
    el("div", { class: "acts" }, copy, button("edit", "Edit", () => edit())));
  const edit = () => {
    const field = el("textarea", { "aria-label": "Edit your message", rows: Math.min(12, m.text.split("\n").length + 1) });
    const done = () => { if (field.value.trim()) act.edit(m, field.value.trim()); };
    field.value = m.text;
    field.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); done(); }
      if (e.key === "Escape") { e.stopPropagation(); act.redraw(); }
    });
    node.replaceChildren(el("div", { class: "editing" }, field, el("div", { class: "row" },
      el("button", { type: "button", class: "quiet", onclick: () => act.redraw() }, "Cancel"),
      el("button", { type: "button", class: "primary", onclick: done }, "Send again"))));
    field.focus();
  };
  return node;
}

export function answerView(m, act, last) {
  const text = el("div", { class: "text" });
  const copy = button("copy", "Copy", () => copyText(m.text, copy));
  const tokens = button("tokens", "Tokens by probability", async () => {
    const on = tokens.getAttribute("aria-pressed") !== "true";
    if (on && !m.tokens && !await act.askTokens(m)) return;
    tokens.setAttribute("aria-pressed", on);
    text.replaceChildren(on ? tokenView(m.tokens) : markdown(m.text));
  }, { "aria-pressed": "false" });
  text.append(markdown(m.text));
  return el("article", { class: "message answer", "aria-label": "Answer" }, text,
    el("div", { class: "below" }, figures(m), el("div", { class: "acts" }, copy, tokens,
      last ? button("redo", "Regenerate", () => act.regenerate()) : null)));
}

// An answer that is being written; paint(m) shows what is there.
export function liveView() {
  const text = el("div", { class: "text" });
  const wait = el("p", { class: "wait" }, el("i"), el("i"), el("i"), el("span", { class: "unseen" }, "Waiting for the answer"));
  const figure = el("p", { class: "figures" });
  const show = grow(text);
  const node = el("article", { class: "message answer live", "aria-label": "Answer", "aria-busy": "true" },
                  wait, text, el("div", { class: "below" }, figure));
  return { node, paint(m, soFar) {
    wait.hidden = m.text !== "";
    show(m.text);
    figure.textContent = soFar;
  } };
}
