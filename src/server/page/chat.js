// SPDX-License-Identifier: MIT
// chat.js - the conversation that is shown, and the answers that are being written.
//
// An answer is written into its conversation, shown or not: who opens another one meanwhile finds
// it when they come back. Everything is stored before the server is asked, and what came of an
// answer that broke off is kept.

import { $, el, button, icon, announce, toast } from "./dom.js";
import { complete, Problem } from "./api.js";
import { answerView, liveView, userView, ms, rate } from "./answer.js";
import * as store from "./store.js";

const PAINT_MS = 60;
const SAVE_MS = 1000;

export const chat = { now: null, models: [], onchange: () => {}, onopen: () => {} };
const runs = new Map(); // conversation's id -> { chat, message, stop, view, ... }

// --- what is asked ---

export function modelOf(settings) {
  return chat.models.includes(settings.model) ? settings.model : chat.models[0] ?? "";
}

function bodyFor(messages, asked) {
  const system = asked.system.trim() ? [{ role: "system", content: asked.system }] : [];
  const body = { messages: [...system, ...messages.map((m) => ({ role: m.role, content: m.text }))] };
  const model = modelOf(asked);
  if (model) body.model = model;
  for (const name of Object.keys(store.SAMPLING)) if (asked[name] !== null) body[name] = asked[name];
  if (asked.logprobs) { body.logprobs = true; body.top_logprobs = 4; }
  return body;
}

const asTokens = (entries) => entries.map((t) => [t.token, t.logprob,
  (t.top_logprobs ?? []).map((o) => [o.token, o.logprob])]);

// --- times, as the browser sees them ---

class Clock {
  constructor() { this.begin = performance.now(); this.first = this.last = 0; this.n = 0; this.usage = null; }

  see(part) {
    if (part.usage) this.usage = part.usage;
    if (!part.text && !part.logprobs) return;
    this.last = performance.now();
    if (!this.n++) this.first = this.last;
  }

  stats() {
    const tokens = this.usage?.completion_tokens ?? this.n, span = this.last - this.first;
    return { ttft: this.n ? this.first - this.begin : null,
             itl: tokens > 1 && span > 0 ? span / (tokens - 1) : null,
             rate: tokens > 1 && span > 0 ? 1000 * (tokens - 1) / span : null, tokens,
             prompt: this.usage?.prompt_tokens ?? null,
             cached: this.usage?.prompt_tokens_details?.cached_tokens ?? null };
  }

  soFar() {
    const s = this.stats();
    return s.rate ? `TTFT ${ms(s.ttft)}   ${rate(s.rate)} tok/s   ${s.tokens} tokens` : "";
  }
}

// --- an answer ---

async function stream(run) {
  const { message: m, clock, stop } = run;
  let painted = 0, saved = performance.now();
  for await (const part of complete(bodyFor(run.before, m.asked), stop.signal)) {
    clock.see(part);
    m.text += part.text;
    if (part.logprobs && m.tokens) m.tokens.push(...asTokens(part.logprobs));
    if (part.finish) m.finish = part.finish === "length" ? "length" : "stop";
    const now = performance.now();
    if (now - painted > PAINT_MS) { paint(run); painted = performance.now(); }
    if (now - saved > SAVE_MS) { m.stats = clock.stats(); keep(run.chat); saved = now; }
  }
}

function paint(run) {
  if (!run.view) return;
  const low = atEnd();
  run.view.paint(run.message, run.clock.soFar());
  if (low) toEnd();
}

// What is wrong becomes the conversation's notice; an answer without a word is none.
function broke(run, e) {
  const { chat: c, message: m } = run;
  if (e.name === "AbortError") m.finish = "stopped";
  else c.notice = e instanceof Problem ? e.message : `Something broke: ${e.message}`;
  if (m.text) return;
  c.messages.pop();
  if (run.old) c.messages.push(run.old);
}

async function answer(c, old = null) {
  const asked = { ...c.settings, seed: c.settings.seed ?? Math.floor(Math.random() * 2 ** 48) };
  const message = { role: "assistant", text: "", model: modelOf(asked), asked, finish: "cut",
                    stats: null, tokens: asked.logprobs ? [] : null };
  const run = { chat: c, message, old, before: [...c.messages], stop: new AbortController(),
                clock: new Clock(), view: null };
  c.messages.push(message);
  c.notice = null;
  runs.set(c.id, run);
  redraw(c);
  try {
    await stream(run);
  } catch (e) {
    broke(run, e);
  }
  message.stats = run.clock.n ? run.clock.stats() : null;
  runs.delete(c.id);
  keep(c);
  redraw(c);
  if (chat.now === c) announce(c.notice ?? `Answer: ${message.text}`);
}

function keep(c) {
  if (!c.named) c.title = store.titleFrom(c);
  if (!store.save(c)) toast("This browser's storage is full: the conversation is not kept. Export or delete some.");
  chat.onchange();
}

// --- what one can do ---

export function send(text) {
  const c = chat.now;
  if (runs.has(c.id) || !text.trim()) return false;
  c.messages.push({ role: "user", text: text.trim() });
  keep(c);
  answer(c);
  toEnd();
  return true;
}

export function stopNow() {
  const run = runs.get(chat.now.id);
  run?.stop.abort();
  return run !== undefined;
}

const act = {
  redraw: () => redraw(chat.now),

  regenerate() {
    const c = chat.now;
    if (runs.has(c.id)) return;
    const old = c.messages.at(-1)?.role === "assistant" ? c.messages.pop() : null;
    answer(c, old);
  },

  edit(m, text) {
    const c = chat.now, before = [...c.messages];
    if (runs.has(c.id)) return;
    c.messages.splice(c.messages.indexOf(m), Infinity, { role: "user", text });
    keep(c);
    answer(c);
    toast("The conversation goes on from here.", "Undo", () => {
      runs.get(c.id)?.stop.abort();
      c.messages = before;
      c.notice = null;
      keep(c);
      redraw(c);
    });
  },

  // The same request gives the same answer: so an answer's probabilities can be asked for later.
  async askTokens(m) {
    const at = chat.now.messages.indexOf(m);
    const asked = m.asked && { ...m.asked, logprobs: true, max_tokens: m.stats?.tokens ?? m.asked.max_tokens };
    if (!asked || at < 0) { toast("What was asked for this answer is not known any more."); return false; }
    const tokens = [];
    let text = "";
    try {
      for await (const part of complete(bodyFor(chat.now.messages.slice(0, at), asked))) {
        text += part.text;
        if (part.logprobs) tokens.push(...asTokens(part.logprobs));
      }
    } catch (e) {
      toast(e.message);
      return false;
    }
    if (!text.startsWith(m.text) && !m.text.startsWith(text)) {
      toast("The server answers differently now (another model or version?): the tokens are not this answer's.");
      return false;
    }
    m.tokens = tokens;
    keep(chat.now);
    return true;
  },
};

// --- drawing ---

const atEnd = () => $("log").scrollHeight - $("log").scrollTop - $("log").clientHeight < 90;
const toEnd = () => { $("log").scrollTop = $("log").scrollHeight; };

function notice(text, label) {
  return el("div", { class: "notice", role: "alert" }, el("p", {}, text),
            button("redo", label, () => act.regenerate(), { shown: true }));
}

const IDEAS = ["Explain why the sky is blue, for a child.", "Write a haiku about cold mornings.",
               "Make a table of three programming languages and what each is good at."];

function welcome() {
  return el("div", { class: "welcome" }, el("h1", {}, "What shall we talk about?"),
    el("p", {}, "Conversations are kept in this browser only."),
    el("div", { class: "ideas" }, ...IDEAS.map((idea) =>
      el("button", { type: "button", class: "idea", onclick: () => send(idea) }, idea))));
}

function viewOf(c, m, last) {
  const run = runs.get(c.id);
  if (m.role === "user") return userView(m, act);
  if (run?.message !== m) return answerView(m, act, last && !run);
  run.view = liveView();
  run.view.paint(m, run.clock.soFar());
  return run.view.node;
}

// c: the conversation that changed; drawn only if it is the one that is shown.
export function redraw(c) {
  if (chat.now !== c) return;
  const low = atEnd(), busy = runs.has(c.id), list = c.messages, from = $("log").scrollTop;
  $("log").replaceChildren(...list.map((m, i) => viewOf(c, m, i === list.length - 1)));
  if (list.length === 0) $("log").append(welcome());
  if (c.notice) $("log").append(notice(c.notice, "Try again"));
  else if (!busy && list.at(-1)?.role === "user") $("log").append(notice("This message has no answer yet.", "Ask for one"));
  if (low) toEnd(); else $("log").scrollTop = from;
  $("send").replaceChildren(icon(busy ? "stop" : "send"));
  $("send").setAttribute("aria-label", busy ? "Stop" : "Send");
  $("send").classList.toggle("stop", busy);
  $("title").value = c.title;
  $("chat-view").classList.toggle("empty", list.length === 0);
}

export function open(id) {
  const before = chat.now && runs.get(chat.now.id);
  if (before) before.view = null;
  chat.now = runs.get(id)?.chat ?? (id && store.load(id)) ?? store.newChat();
  redraw(chat.now);
  toEnd();
  chat.onopen();
  chat.onchange();
}

export function rename(title) {
  chat.now.named = title.trim() !== "";
  chat.now.title = title.trim() || store.titleFrom(chat.now);
  $("title").value = chat.now.title;
  if (chat.now.messages.length) keep(chat.now);
}

export function settingsChanged() {
  if (chat.now.messages.length) keep(chat.now);
  else store.saveSettings(chat.now.settings);
}

export function deleteNow() {
  const c = chat.now;
  runs.get(c.id)?.stop.abort();
  store.remove(c.id);
  open(store.chats()[0]?.id);
  if (c.messages.length === 0) return;
  toast(`“${c.title}” was deleted.`, "Undo", () => { store.save(c); open(c.id); });
}
