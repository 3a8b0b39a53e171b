// SPDX-License-Identifier: MIT
// markdown.js - Markdown to nodes: headings, lists, quotes, code, tables, rules, paragraphs.
//
// A part of CommonMark that models write, and no HTML at all: a tag is text. Blocks are given with
// their source, so that an answer that grows renders only what is new (see grow()).

import { el, button, copyText } from "./dom.js";
import { inline } from "./inline.js";

const DEPTH = 6;
const FENCE = /^( {0,3})(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)(?:\s+#+)?\s*$/;
const RULE = /^ {0,3}(?:-[ \t]*){3,}$|^ {0,3}(?:\*[ \t]*){3,}$|^ {0,3}(?:_[ \t]*){3,}$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])(?:\s+(.*)|\s*)$/;
const TABLE = /^ {0,3}\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;
const QUOTE = /^ {0,3}>/;
const blank = (line) => line.trim() === "";

function starts(lines, i) {
  const line = lines[i];
  return FENCE.test(line) || HEADING.test(line) || RULE.test(line) || ITEM.test(line) ||
    QUOTE.test(line);
}

function codeBlock(language, text) {
  const copy = button("copy", "Copy code", () => copyText(text, copy));
  return el("div", { class: "code" },
            el("div", { class: "code-head" }, el("span", {}, language || "text"), copy),
            el("pre", { tabindex: 0, "aria-label": `Code, ${language || "text"}`, role: "region" },
               el("code", {}, text)));
}

function takeCode(lines, i) {
  const [, indent, fence, language] = FENCE.exec(lines[i]);
  const end = new RegExp(`^ {0,3}\\${fence[0]}{${fence.length},}\\s*$`);
  const strip = new RegExp(`^ {0,${indent.length}}`);
  let j = i + 1;
  while (j < lines.length && !end.test(lines[j])) j++;
  const text = lines.slice(i + 1, j).map((l) => l.replace(strip, "")).join("\n");
  return [Math.min(j + 1, lines.length), () => codeBlock(language.slice(0, 30), text)];
}

function takeQuote(lines, i, depth) {
  let j = i;
  while (j < lines.length && (QUOTE.test(lines[j]) || (!blank(lines[j]) && !starts(lines, j)))) j++;
  const inner = lines.slice(i, j).map((l) => l.replace(/^ {0,3}> ?/, ""));
  return [j, () => el("blockquote", {}, ...nodes(inner, depth + 1))];
}

// Items of one list: lines that are indented further belong to the item before.
function takeList(lines, i, depth) {
  const [, indent, mark] = ITEM.exec(lines[i]);
  const ordered = /\d/.test(mark);
  const items = [];
  let loose = false;
  let j = i;
  while (j < lines.length) {
    const m = ITEM.exec(lines[j]);
    const inside = m && m[1].length > indent.length + 1;
    if (m && !inside && (/\d/.test(m[2]) !== ordered || m[1].length < indent.length ||
                         RULE.test(lines[j]))) break;
    if (m && !inside) {
      items.push([m[3] ?? ""]);
      items.at(-1).width = m[1].length + m[2].length + 1;
    } else if (blank(lines[j])) {
      const next = lines[j + 1];
      if (next === undefined || blank(next)) break;
      const goesOn = /^ {2,}/.test(next) || (ITEM.test(next) && /\d/.test(ITEM.exec(next)[2]) === ordered);
      if (!goesOn) break;
      loose = true;
      items.at(-1).push("");
    } else if (/^ {2,}/.test(lines[j])) {
      const width = items.at(-1).width;
      items.at(-1).push(lines[j].replace(new RegExp(`^ {0,${width}}`), ""));
    } else if (starts(lines, j) || blank(lines[j - 1])) {
      break;
    } else {
      items.at(-1).push(lines[j]);
    }
    j++;
  }
  const build = () => {
    const list = el(ordered ? "ol" : "ul", ordered ? { start: parseInt(mark, 10) } : {});
    for (const item of items) list.append(listItem(item, depth, loose));
    return list;
  };
  return [j, build];
}

function listItem(lines, depth, loose) {
  const inner = nodes(lines, depth + 1);
  const item = el("li");
  // A tight item is its line, not a paragraph.
  for (const node of inner) {
    if (!loose && node.nodeName === "P") item.append(...node.childNodes);
    else item.append(node);
  }
  return item;
}

function cells(line) {
  const parts = [];
  let cell = "";
  const s = line.trim().replace(/^\|/, "").replace(/\|$/, "");
  for (let i = 0; i < s.length; i++) {
    if (s[i] === "\\" && s[i + 1] === "|") { cell += "|"; i++; }
    else if (s[i] === "|") { parts.push(cell); cell = ""; }
    else cell += s[i];
  }
  parts.push(cell);
  return parts.slice(0, 50).map((c) => c.trim());
}

function takeTable(lines, i) {
  const head = cells(lines[i]);
  const align = cells(lines[i + 1]).map((c) => c.endsWith(":") ? (c.startsWith(":") ? "mid" : "end") : null);
  let j = i + 2;
  while (j < lines.length && lines[j].includes("|") && !blank(lines[j])) j++;
  const rows = lines.slice(i + 2, j).map(cells);
  const row = (tag, of) => el("tr", {}, ...head.map((_, k) =>
    el(tag, { class: align[k], scope: tag === "th" ? "col" : null }, ...inline(of[k] ?? ""))));
  const build = () => el("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" },
    el("table", {}, el("thead", {}, row("th", head)),
       el("tbody", {}, ...rows.map((r) => row("td", r)))));
  return [j, build];
}

function takeParagraph(lines, i) {
  let j = i + 1;
  while (j < lines.length && !blank(lines[j]) && !starts(lines, j)) j++;
  const text = lines.slice(i, j).map((l) => l.trim()).join("\n");
  return [j, () => el("p", { dir: "auto" }, ...inline(text))];
}

function take(lines, i, depth) {
  const line = lines[i];
  const heading = HEADING.exec(line);
  if (FENCE.test(line)) return takeCode(lines, i);
  // The page has the first two levels for itself.
  if (heading) {
    return [i + 1, () => el(`h${Math.min(6, heading[1].length + 2)}`, { dir: "auto" }, ...inline(heading[2]))];
  }
  if (RULE.test(line)) return [i + 1, () => el("hr")];
  if (depth < DEPTH && QUOTE.test(line)) return takeQuote(lines, i, depth);
  if (depth < DEPTH && ITEM.test(line)) return takeList(lines, i, depth);
  if (line.includes("|") && i + 1 < lines.length && lines[i + 1].includes("-") &&
      TABLE.test(lines[i + 1]) && cells(line).length === cells(lines[i + 1]).length) {
    return takeTable(lines, i);
  }
  return takeParagraph(lines, i);
}

function split(lines, depth) {
  const out = [];
  for (let i = 0; i < lines.length;) {
    if (blank(lines[i])) { i++; continue; }
    const [next, build] = take(lines, i, depth);
    out.push({ source: lines.slice(i, next).join("\n"), build });
    i = next;
  }
  return out;
}

const nodes = (lines, depth) => split(lines, depth).map((b) => b.build());
const toLines = (text) => text.replace(/\r\n?/g, "\n").replace(/\t/g, "    ").split("\n");

export function markdown(text) {
  const out = document.createDocumentFragment();
  out.append(...nodes(toLines(text), 0));
  return out;
}

// A renderer into `box` for a text that grows: blocks that did not change keep their nodes.
export function grow(box) {
  let have = [];
  return (text) => {
    const want = split(toLines(text), 0);
    let same = 0;
    while (same < have.length && same < want.length && have[same] === want[same].source) same++;
    while (box.childNodes.length > same) box.lastChild.remove();
    box.append(...want.slice(same).map((b) => b.build()));
    have = want.map((b) => b.source);
  };
}
