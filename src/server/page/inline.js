// SPDX-License-Identifier: MIT
// inline.js - a line of Markdown to nodes: `code`, **bold**, *italics*, ~~struck~~, links.
//
// One pass from left to right; what lies between two marks is a line again, at most DEPTH deep. A
// mark whose end was not found once is not looked for again, so that no text takes longer than its
// length times the depth. Only http and https become links; everything else stays text.

import { el } from "./dom.js";

const DEPTH = 8;
const LONGEST = 50000; // of a paragraph; beyond it is shown as it is
const MARKS = [["**", "strong"], ["__", "strong"], ["~~", "del"], ["*", "em"], ["_", "em"]];
const ADDRESS = /https?:\/\/[^\s<>"'`]{1,2000}/iy;
const ESCAPED = "\\`*_{}[]()#+-.!|~<>";
const isWord = (c) => c !== undefined && /[\p{L}\p{N}]/u.test(c);
const isSpace = (c) => c === undefined || /\s/.test(c);

// An address that may be clicked, or null.
export function safeUrl(text) {
  if (!/^https?:\/\//i.test(text) || text.length > 2000) return null;
  try {
    const url = new URL(text);
    return (url.protocol === "http:" || url.protocol === "https:") && !url.username ? url.href : null;
  } catch {
    return null;
  }
}

export function link(url, ...children) {
  return el("a", { href: url, rel: "noopener noreferrer nofollow", target: "_blank" }, ...children);
}

// Where the mark that opens at i closes; -1.
function closing(s, mark, i) {
  for (let end = s.indexOf(mark, i + mark.length); end >= 0; end = s.indexOf(mark, end + 1)) {
    if (isSpace(s[end - 1]) || s[end - 1] === "\\") continue;
    if (mark.length === 1 && (s[end + 1] === mark || s[end - 1] === mark)) { end++; continue; }
    if (mark[0] === "_" && isWord(s[end + mark.length])) continue;
    return end;
  }
  return -1;
}

class Line {
  constructor(text, depth) {
    this.s = text;
    this.depth = depth;
    this.out = [];
    this.plain = "";
    this.missing = new Set();
    this.found = new Map();
  }

  // indexOf() for positions that only grow: what was found is not looked for again.
  find(mark, from) {
    const known = this.found.get(mark);
    if (known !== undefined && (known < 0 || known >= from)) return known;
    const at = this.s.indexOf(mark, from);
    this.found.set(mark, at);
    return at;
  }

  push(node) {
    if (this.plain) this.out.push(this.plain);
    this.plain = "";
    this.out.push(node);
  }

  // Each returns where to go on, or -1 where its thing does not begin at i.
  code(i) {
    let n = 1;
    while (this.s[i + n] === "`") n++;
    const mark = "`".repeat(n);
    if (this.missing.has(mark)) return -1;
    let end = this.s.indexOf(mark, i + n);
    while (end >= 0 && this.s[end + n] === "`") {
      let run = end;
      while (this.s[run] === "`") run++;
      end = this.s.indexOf(mark, run);
    }
    if (end < 0) { this.missing.add(mark); return -1; }
    const inner = this.s.slice(i + n, end);
    this.push(el("code", {}, inner.length > 2 && n > 1 ? inner.replace(/^ (.*) $/, "$1") : inner));
    return end + n;
  }

  emphasis(i) {
    for (const [mark, tag] of MARKS) {
      if (!this.s.startsWith(mark, i)) continue;
      if (this.missing.has(mark) || isSpace(this.s[i + mark.length])) continue;
      if (mark[0] === "_" && isWord(this.s[i - 1])) continue;
      const end = closing(this.s, mark, i);
      if (end < 0) { this.missing.add(mark); continue; }
      if (end === i + mark.length) continue;
      this.push(el(tag, {}, ...inline(this.s.slice(i + mark.length, end), this.depth + 1)));
      return end + mark.length;
    }
    return -1;
  }

  // [text](http://...), and ![text](...): pictures are links too, nothing is fetched.
  bracket(i) {
    const from = this.s[i] === "!" ? i + 2 : i + 1;
    const middle = this.find("](", from);
    if (middle < 0 || middle - from > 500) return -1;
    const inner = this.s.slice(from, middle);
    const end = this.find(")", middle);
    if (inner.includes("[") || end < 0 || end - middle > 2500) return -1;
    const url = safeUrl(this.s.slice(middle + 2, end).trim().split(/\s/)[0]);
    if (!url) return -1;
    this.push(link(url, ...(inner ? inline(inner, this.depth + 1) : [url])));
    return end + 1;
  }

  address(i) {
    if (isWord(this.s[i - 1])) return -1;
    ADDRESS.lastIndex = i;
    const found = ADDRESS.exec(this.s)?.[0];
    if (!found) return -1;
    const text = found.replace(/[.,;:!?)\]*_~]{1,20}$/, "");
    const url = safeUrl(text);
    if (url) this.push(link(url, text)); else this.plain += text;
    return i + text.length;
  }

  at(i) {
    const c = this.s[i];
    if (c === "`") return this.code(i);
    if (c === "*" || c === "_" || c === "~") return this.emphasis(i);
    if (c === "[" || (c === "!" && this.s[i + 1] === "[")) return this.bracket(i);
    if (c === "h" || c === "H") return this.address(i);
    return -1;
  }

  parse() {
    for (let i = 0; i < this.s.length;) {
      if (this.s[i] === "\\" && ESCAPED.includes(this.s[i + 1] ?? " ")) {
        this.plain += this.s[i + 1];
        i += 2;
        continue;
      }
      if (this.s[i] === "\n") {
        this.push(el("br"));
        i++;
        continue;
      }
      const next = this.at(i);
      if (next > i) { i = next; continue; }
      // A run of marks that is none is text as a whole: it does not begin again at its second.
      let n = 1;
      if ("*_~`".includes(this.s[i])) while (this.s[i + n] === this.s[i]) n++;
      this.plain += this.s.slice(i, i + n);
      i += n;
    }
    if (this.plain) this.out.push(this.plain);
    return this.out;
  }
}

// Texts and nodes.
export function inline(text, depth = 0) {
  if (depth > DEPTH || text.length > LONGEST) return [text];
  return new Line(text, depth).parse();
}
