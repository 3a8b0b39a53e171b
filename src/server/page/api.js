// SPDX-License-Identifier: MIT
// api.js - the server: its models, answers as streams, what it does right now.
//
// A key, where the server wants one, is kept for this tab only (sessionStorage).

import { $ } from "./dom.js";

const KEY = "brrr.key";

// What went wrong, in words for people. kind: "gone", "refused", "busy", "broken".
export class Problem extends Error {
  constructor(kind, text, retry = 0) {
    super(text);
    this.kind = kind;
    this.retry = retry;
  }
}

const GONE = "The server does not answer. Nothing is lost: try again when it is back.";

function askKey() {
  const dialog = $("key");
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      if (dialog.returnValue !== "ok") { resolve(false); return; }
      sessionStorage.setItem(KEY, $("key-value").value.trim());
      resolve(true);
    }, { once: true });
    $("key-value").value = "";
    dialog.returnValue = "";
    if (!dialog.open) dialog.showModal();
  });
}

async function messageOf(response) {
  try {
    const text = (await response.json()).error;
    return String(text?.message ?? text ?? "").slice(0, 600);
  } catch {
    return "";
  }
}

// fetch(), with the key, which is asked for where it is missing or wrong; throws Problems.
async function request(path, options = {}, mayAsk = true) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "omit" });
  } catch (e) {
    throw e.name === "AbortError" ? e : new Problem("gone", GONE);
  }
  if (response.ok) return response;
  const said = await messageOf(response);
  if (response.status === 401) {
    if (mayAsk && await askKey()) return request(path, options, true);
    throw new Problem("refused", "This server wants an API key.");
  }
  if (response.status === 429) {
    const wait = Number(response.headers.get("Retry-After")) || 0;
    throw new Problem("busy", `The server is busy${wait ? `: try again in ${wait} s` : ""}. ${said}`, wait);
  }
  throw new Problem("refused", said || `The server answered with status ${response.status}.`);
}

export async function models() {
  const list = await (await request("v1/models")).json();
  return (list.data ?? []).map((m) => String(m.id));
}

export async function stats() {
  return (await request("stats", { cache: "no-store" }, false)).json();
}

// The data of server-sent events, one after the other.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      for (const line of part.split("\n")) {
        if (line.startsWith("data:")) yield line.slice(5).trim();
      }
    }
  }
}

// Parts of an answer: { text, logprobs, finish, usage, n } until the end; throws Problems. An answer
// that ends without its mark was cut.
export async function* complete(body, signal) {
  const response = await request("v1/chat/completions", {
    method: "POST", signal, body: JSON.stringify({
      ...body, stream: true, stream_options: { include_usage: true } }),
    headers: { "Content-Type": "application/json" },
  });
  try {
    for await (const data of events(response)) {
      if (data.startsWith("[DONE]")) return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Problem("broken", String(chunk.error.message ?? chunk.error));
      const choice = chunk.choices?.[0];
      yield { text: choice?.delta?.content ?? "", logprobs: choice?.logprobs?.content ?? null,
              finish: choice?.finish_reason ?? null, usage: chunk.usage ?? null };
    }
  } catch (e) {
    if (e.name === "AbortError" || e instanceof Problem) throw e;
    if (e instanceof SyntaxError) throw new Problem("broken", "The server's answer makes no sense.");
  }
  throw new Problem("gone", "The answer was cut off: the server is gone. What came is kept.");
}
