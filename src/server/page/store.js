// SPDX-License-Identifier: MIT
// store.js - conversations, in this browser only (localStorage).
//
//   brrr.chat.ID   { id, title, named, made, changed, settings, messages }
//   brrr.settings  those of the next new conversation
//   message        { role: "user" | "assistant", text, ... }; of an answer also model, finish, stats,
//                  asked (the settings, with the seed: they give the same answer again) and,
//                  where they were asked for, tokens: [[text, logprob, [[text, logprob], ...]], ...]
//
// One entry each, so that two tabs do not overwrite each other's. What is read is checked field by
// field: somebody else may have written it.

const PREFIX = "brrr.chat.";
const SETTINGS = "brrr.settings";

// name: [default, least, largest, step]; null: not asked for (as long as fits; a seed of its own).
export const SAMPLING = {
  temperature: [0.7, 0, 2, 0.05],
  top_p: [0.95, 0, 1, 0.01],
  top_k: [0, 0, 1000, 1],
  min_p: [0.05, 0, 1, 0.01],
  max_tokens: [null, 1, 1000000, 1],
  seed: [null, 0, Number.MAX_SAFE_INTEGER, 1],
};

export const FINISHES = { stop: "", length: "reached the token limit", stopped: "stopped",
                          cut: "cut off" };

const text = (v) => typeof v === "string" ? v : "";
const number = (v) => typeof v === "number" && Number.isFinite(v) ? v : null;
const list = (v) => Array.isArray(v) ? v : [];

function cleanNumber(name, value) {
  const [off, least, largest, step] = SAMPLING[name];
  const n = value === undefined ? off : number(value);
  if (n === null) return off === null ? null : off;
  const bounded = Math.min(largest, Math.max(least, n));
  return step === 1 ? Math.round(bounded) : bounded;
}

export function cleanSettings(raw) {
  const out = { system: text(raw?.system), logprobs: raw?.logprobs === true, model: text(raw?.model) };
  for (const name of Object.keys(SAMPLING)) out[name] = cleanNumber(name, raw?.[name]);
  return out;
}

const STATS = ["ttft", "itl", "rate", "tokens", "prompt", "cached"];

function cleanTokens(raw) {
  if (!Array.isArray(raw)) return null;
  const pair = (t) => [text(t?.[0]), number(t?.[1]) ?? 0];
  return raw.map((t) => [...pair(t), list(t?.[2]).slice(0, 20).map(pair)]);
}

function cleanMessage(raw) {
  if (raw?.role !== "user" && raw?.role !== "assistant") return null;
  const m = { role: raw.role, text: text(raw.text) };
  if (m.role === "user") return m;
  m.model = text(raw.model);
  m.asked = raw.asked ? cleanSettings(raw.asked) : null;
  m.finish = Object.hasOwn(FINISHES, raw.finish) ? raw.finish : "cut";
  m.stats = raw.stats && typeof raw.stats === "object"
    ? Object.fromEntries(STATS.map((k) => [k, number(raw.stats[k])])) : null;
  m.tokens = cleanTokens(raw.tokens);
  return m;
}

function cleanChat(raw, id) {
  return { id, title: text(raw?.title).slice(0, 200) || "Untitled", named: raw?.named === true,
           made: number(raw?.made) ?? 0, changed: number(raw?.changed) ?? 0,
           settings: cleanSettings(raw?.settings),
           messages: list(raw?.messages).map(cleanMessage).filter(Boolean) };
}

function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}

function write(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false; // full, or not allowed
  }
}

export function newChat() {
  const now = Date.now();
  return { id: crypto.getRandomValues(new Uint32Array(2)).join("-"), title: "New conversation",
           named: false, made: now, changed: now, settings: cleanSettings(read(SETTINGS)),
           messages: [] };
}

// Newest first.
export function chats() {
  const out = [];
  for (let i = 0; i < localStorage.length; i++) {
    const key = localStorage.key(i);
    const raw = key.startsWith(PREFIX) ? read(key) : null;
    if (raw) out.push(cleanChat(raw, key.slice(PREFIX.length)));
  }
  return out.sort((a, b) => b.changed - a.changed);
}

export function load(id) {
  const raw = read(PREFIX + id);
  return raw ? cleanChat(raw, id) : null;
}

// What the next new conversation begins with.
export function saveSettings(settings) {
  write(SETTINGS, { ...settings, system: "", seed: null });
}

// False where the browser has no room.
export function save(chat) {
  const { notice: _, ...kept } = chat;
  chat.changed = kept.changed = Date.now();
  saveSettings(chat.settings);
  return write(PREFIX + chat.id, kept);
}

export function remove(id) {
  localStorage.removeItem(PREFIX + id);
}

export function titleFrom(chat) {
  const first = chat.messages.find((m) => m.role === "user")?.text.trim().replace(/\s+/g, " ") ?? "";
  return first.length > 60 ? `${first.slice(0, 58)}…` : first || "New conversation";
}

// --- export ---

const asMarkdown = (chat) => [`# ${chat.title}`,
  ...(chat.settings.system ? [`> ${chat.settings.system.replaceAll("\n", "\n> ")}`] : []),
  ...chat.messages.map((m) => `## ${m.role === "user" ? "You" : m.model || "Answer"}\n\n${m.text}`),
].join("\n\n") + "\n";

const asJson = (chat) => JSON.stringify({
  title: chat.title, made: new Date(chat.made).toISOString(), settings: chat.settings,
  messages: [...(chat.settings.system ? [{ role: "system", content: chat.settings.system }] : []),
             ...chat.messages.map(({ role, text: content, ...rest }) => ({ role, content, ...rest }))],
}, null, 2) + "\n";

export function download(chat, kind) {
  const [body, type] = kind === "json" ? [asJson(chat), "application/json"]
                                       : [asMarkdown(chat), "text/markdown"];
  const url = URL.createObjectURL(new Blob([body], { type }));
  const a = document.createElement("a");
  a.href = url;
  a.download = `${chat.title.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60) || "chat"}.${kind === "json" ? "json" : "md"}`;
  a.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
