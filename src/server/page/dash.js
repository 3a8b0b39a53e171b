// SPDX-License-Identifier: MIT
// dash.js - the dashboard: /stats once a second, while it is looked at.
//
// The server gives counters and distributions since its start; what happened lately is the
// difference of two of its answers.

import { $, el } from "./dom.js";
import { stats } from "./api.js";
import { ms, rate } from "./answer.js";
import { cellMap, colourOf, lanes, lines } from "./draw.js";

const EVERY_MS = 1000;
const KEPT = 121; // answers of the server
const LATELY = 60; // of them, for percentiles

let timer = 0, seen = [], parts = null;

// --- what the numbers say ---

// The quantile of a distribution in buckets (each ends at twice where the one before does), by
// interpolation within the bucket.
export function quantile(bucket, least, part) {
  let left = part * bucket.reduce((a, n) => a + n, 0);
  if (left <= 0) return null;
  for (let i = 0; i < bucket.length; i++) {
    if (left > bucket[i]) { left -= bucket[i]; continue; }
    const low = i ? least * 2 ** (i - 1) : 0, high = least * 2 ** i;
    return low + (high - low) * left / bucket[i];
  }
  return null;
}

const minus = (a, b) => a.map((n, i) => n - (b?.[i] ?? 0));

function perSecond(of) {
  return seen.slice(1).map((s, i) => Math.max(0, of(s) - of(seen[i])) / Math.max(1e-3, s.now_s - seen[i].now_s));
}

const readPrompt = (s) => s.tokens.prompt - s.tokens.cached;
const share = (a, b) => b > 0 ? `${(100 * a / b).toFixed(a > 0 && a < b / 10 ? 1 : 0)} %` : "–";
const bytes = (n) => n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : `${(n / 2 ** 20).toFixed(0)} MiB`;
const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

// --- the frame, once ---

const swatch = (c) => el("i", { class: `swatch ${c}`, "aria-hidden": "true" });
const legend = (...items) => el("p", { class: "legend" }, ...items.map(([c, text]) => el("span", {}, swatch(c), text)));

function tile(label) {
  const value = el("dd", {}, "–"), more = el("dd", { class: "more" });
  return { node: el("div", { class: "tile" }, el("dt", {}, label), value, more),
           set(v, m) { value.textContent = v; more.textContent = m; } };
}

function card(title, ...inside) {
  const canvas = el("canvas", { role: "img" });
  const node = el("section", { class: "card", "aria-label": title }, el("h2", {}, title), el("div", { class: "plot" }, canvas), ...inside);
  const colours = (...names) => names.map((n) => colourOf(node.querySelector(`.${n}`)));
  return { node, canvas, colours, say: (t) => canvas.setAttribute("aria-label", t) };
}

const TIMES = [["ttft", "TTFT"], ["itl", "ITL"], ["queue", "Queue"]];
const PARTS = [0.5, 0.9, 0.99];

function latency() {
  const cells = {};
  const rows = TIMES.map(([name, label]) => {
    cells[name] = PARTS.map(() => el("td"));
    return el("tr", {}, el("th", { scope: "row" }, label), ...cells[name]);
  });
  const node = el("section", { class: "card", "aria-label": "Latency" }, el("h2", {}, "Latency"),
    el("table", { class: "latency" },
      el("thead", {}, el("tr", {}, el("td"), ...PARTS.map((p) => el("th", { scope: "col" }, `p${100 * p}`)))),
      el("tbody", {}, ...rows)),
    el("p", { class: "hint" }, "The last minute; below it, since the start. Interpolated in buckets that double."));
  return { node, cells };
}

function build() {
  const tiles = { out: tile("Output"), prompt: tile("Prompts read"), requests: tile("Running"), waiting: tile("Queue"),
                  kv: tile("KV cache"), hits: tile("Cache hits") };
  const speed = card("Output, tokens a second", legend(["c-decode", "two minutes, now at the right"]));
  const prompts = card("Prompts read, tokens a second", legend(["c-prompt", "counted when a prompt is through"]));
  const load = card("Requests", legend(["c-decode", "running"], ["c-wait", "waiting"]));
  const steps = card("The last steps", legend(["c-prompt", "rows of prompts"], ["c-decode", "decoding"], ["c-guess", "guesses to verify"], ["c-time", "time"]));
  const times = latency();
  steps.node.classList.add("wide");
  const kv = el("section", { class: "card wide", "aria-label": "KV cache" }, el("h2", {}, "KV cache, block by block"),
    el("div", { id: "maps" }), legend(["c-used", "used"], ["c-shared", "shared"], ["c-cached", "cached, given up when room is needed"], ["c-free", "free"]));
  $("dash").replaceChildren(el("dl", { class: "tiles" }, ...Object.values(tiles).map((t) => t.node)),
    el("div", { class: "cards" }, speed.node, prompts.node, load.node, times.node, kv, steps.node));
  return { tiles, speed, prompts, load, steps, times, kv };
}

// --- each second ---

function drawTiles(s) {
  const t = parts.tiles, out = perSecond((x) => x.tokens.made).at(-1) ?? 0, read = perSecond(readPrompt).at(-1) ?? 0;
  t.out.set(`${rate(out)} tok/s`, count(s.tokens.made, "token"));
  t.prompt.set(`${rate(read)} tok/s`, count(readPrompt(s), "token"));
  t.requests.set(String(s.requests.running), `of ${s.parallel} at once`);
  t.waiting.set(String(s.requests.waiting), `${count(s.requests.done, "answer")} so far`);
  t.kv.set(share(s.kv.used, s.kv.budget), `${bytes(s.kv.used)} of ${bytes(s.kv.budget)}`);
  t.hits.set(share(s.tokens.cached, s.tokens.prompt), `of ${count(s.tokens.prompt, "prompt token")}`);
}

function drawSpeed() {
  const out = perSecond((s) => s.tokens.made), read = perSecond(readPrompt);
  lines(parts.speed.canvas, [{ values: out, colour: parts.speed.colours("c-decode")[0], fill: true }], KEPT - 1, 10);
  parts.speed.say(`Output: ${rate(out.at(-1) ?? 0)} tokens a second now, ${rate(Math.max(0, ...out))} at most in the last two minutes`);
  lines(parts.prompts.canvas, [{ values: read, colour: parts.prompts.colours("c-prompt")[0], fill: true }], KEPT - 1, 10);
  parts.prompts.say(`Prompts read: ${rate(read.at(-1) ?? 0)} tokens a second now`);
  const [running, waiting] = parts.load.colours("c-decode", "c-wait");
  lines(parts.load.canvas, [{ values: seen.map((s) => s.requests.running), colour: running, fill: true },
                            { values: seen.map((s) => s.requests.waiting), colour: waiting }], KEPT, 2);
  parts.load.say(`Requests: ${seen.at(-1).requests.running} running, ${seen.at(-1).requests.waiting} waiting`);
}

function drawTimes(s) {
  const then = seen[Math.max(0, seen.length - 1 - LATELY)];
  for (const [name] of TIMES) {
    const lately = minus(s[name].bucket, then[name].bucket);
    PARTS.forEach((p, i) => {
      const now = quantile(lately, s.bucket_least_s, p), all = quantile(s[name].bucket, s.bucket_least_s, p);
      parts.times.cells[name][i].replaceChildren(now === null ? "–" : ms(1000 * now),
                                                 el("small", {}, all === null ? "" : ms(1000 * all)));
    });
  }
}

function drawSteps(s) {
  const rows = s.steps.rows, [prompt, decode, guess, time] = parts.steps.colours("c-prompt", "c-decode", "c-guess", "c-time");
  const n = (v) => `${v} row${v === 1 ? "" : "s"}`;
  lanes(parts.steps.canvas, [
    { name: "Prompts", bars: rows.map((r) => [r[0]]), colours: [prompt], show: n },
    { name: "Decoding and guesses", bars: rows.map((r) => [r[1], r[2]]), colours: [decode, guess], show: n },
    { name: "Time", bars: rows.map((r) => [r[3]]), colours: [time], show: ms },
  ]);
  const last = rows.at(-1);
  parts.steps.say(last ? `The last step had ${last[0]} rows of prompts, ${last[1]} decoding, ${last[2]} guesses, and took ${ms(last[3])}` : "No step yet");
}

const KINDS = { full: "Layers that see everything", window: "Layers with a sliding window" };

function drawMaps(s) {
  const box = $("maps"), maps = s.kv.maps;
  const names = ["c-used", "c-shared", "c-cached", "c-free"].map((c) => colourOf(parts.kv.querySelector(`.${c}`)));
  if (box.childElementCount !== maps.length) {
    box.replaceChildren(...maps.map(() => el("div", { class: "map" }, el("p", { class: "hint" }), el("div", { class: "plot" }, el("canvas", { role: "img" })))));
  }
  maps.forEach((m, i) => {
    const free = m.blocks - m.used - m.shared - m.cached, node = box.children[i];
    const text = `${maps.length > 1 ? `${KINDS[m.kind]}: ` : ""}${count(m.blocks, "block")} of ${s.kv.block_tokens} tokens: ` +
      `${m.used} used, ${m.shared} shared, ${m.cached} cached, ${free} free` + (m.per_cell > 1 ? `; a cell is ${m.per_cell} blocks` : "");
    node.firstChild.textContent = text;
    node.querySelector("canvas").setAttribute("aria-label", text);
    cellMap(node.querySelector("canvas"), m.cells, m.n_cells, m.per_cell, names);
  });
}

function draw() {
  const s = seen.at(-1);
  if (!s || !parts) return;
  $("dash-model").textContent = s.model;
  $("dash-model").hidden = false;
  drawTiles(s);
  drawSpeed();
  drawTimes(s);
  drawSteps(s);
  drawMaps(s);
}

function state(text, bad) {
  if ($("dash-state").textContent !== text) $("dash-state").textContent = text;
  $("dash-state").classList.toggle("bad", bad);
}

async function tick() {
  const mine = timer;
  try {
    if (!document.hidden) {
      const s = await stats();
      // A server that was started anew counts anew.
      if (seen.length && s.started !== seen.at(-1).started) seen = [];
      seen = [...seen, s].slice(-KEPT);
      state("Live", false);
      draw();
    }
  } catch (e) {
    state(e.kind === "gone" ? "No answer; trying again" : e.message, true);
  }
  if (mine === timer && timer) timer = setTimeout(tick, EVERY_MS);
}

export function showDash(on) {
  clearTimeout(timer);
  timer = 0;
  if (!on) return;
  parts ??= build();
  draw();
  timer = setTimeout(tick, 0);
}

addEventListener("resize", () => { if (timer) draw(); });
