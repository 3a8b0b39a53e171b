// SPDX-License-Identifier: MIT
// draw.js - small drawings on a canvas: lines over time, lanes of bars, a map of cells.
//
// Colours come from the style sheet: each drawing is given elements (its legend) whose background
// or colour is the one to draw with, so that light and dark need no code.

export const colourOf = (node) => getComputedStyle(node).backgroundColor;

// A cleared context of the canvas's size in CSS pixels, and what the text looks like.
function begin(canvas, height) {
  const width = Math.max(1, canvas.parentElement.clientWidth), scale = devicePixelRatio || 1;
  const w = Math.round(width * scale), h = Math.round(height * scale);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  canvas.style.height = `${height}px`;
  const g = canvas.getContext("2d"), style = getComputedStyle(canvas);
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = `12px ${style.fontFamily}`;
  g.fillStyle = style.color;
  return { g, width, text: style.color, line: style.borderTopColor };
}

// A round number not below v, half of which is round too.
export function roundUp(v) {
  const p = 10 ** Math.floor(Math.log10(Math.max(v, 1e-9)));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((k) => k * p).find((k) => k >= v - 1e-12);
}

const label = (v) => v >= 1000 ? `${v / 1000}k` : String(Number(v.toPrecision(2)));

// series: [{ colour, values: [oldest .. newest], fill }], `room` values wide.
export function lines(canvas, series, room, least) {
  const height = 132, top = 8, bottom = height - 8, left = 36;
  const { g, width, text, line } = begin(canvas, height);
  const most = roundUp(Math.max(least, ...series.flatMap((s) => s.values)));
  const y = (v) => bottom - (bottom - top) * v / most;
  g.lineWidth = 1;
  g.strokeStyle = line;
  g.textAlign = "right";
  g.textBaseline = "middle";
  for (const v of [0, most / 2, most]) {
    g.fillStyle = text;
    g.fillText(label(v), left - 8, Math.min(bottom, y(v)));
    g.beginPath();
    g.moveTo(left, Math.round(y(v)) + 0.5);
    g.lineTo(width, Math.round(y(v)) + 0.5);
    g.stroke();
  }
  for (const s of series) path(g, s, (i) => width - (s.values.length - 1 - i) * (width - left) / (room - 1), y, bottom);
  return most;
}

function path(g, s, x, y, bottom) {
  if (s.values.length < 2) return;
  g.beginPath();
  s.values.forEach((v, i) => g.lineTo(x(i), y(v)));
  g.strokeStyle = s.colour;
  g.lineWidth = 2;
  g.lineJoin = "round";
  g.stroke();
  if (!s.fill) return;
  g.lineTo(x(s.values.length - 1), bottom);
  g.lineTo(x(0), bottom);
  g.globalAlpha = 0.14;
  g.fillStyle = s.colour;
  g.fill();
  g.globalAlpha = 1;
}

// Lanes above each other with scales of their own; lane: { name, bars: [[value, ...], ...],
// colours: [...], unit }. Newest at the right.
export function lanes(canvas, list) {
  const tall = 62, gap = 26, left = 0;
  const { g, width, text, line } = begin(canvas, list.length * (tall + gap));
  list.forEach((lane, k) => {
    const y0 = (k + 1) * (tall + gap) - 4, room = Math.max(1, Math.floor((width - left) / 5));
    const bars = lane.bars.slice(-room);
    const most = Math.max(1e-9, ...bars.map((b) => b.reduce((a, v) => a + v, 0)));
    g.fillStyle = text;
    g.textAlign = "left";
    g.textBaseline = "alphabetic";
    g.fillText(`${lane.name}${bars.length && most > 1e-9 ? `: ${lane.show(most)} at most` : ": none"}`, left, y0 - tall - 6);
    g.fillStyle = line;
    g.fillRect(left, y0, width - left, 1);
    bars.forEach((bar, i) => {
      let y = y0;
      bar.forEach((v, c) => {
        const h = v > 0 ? Math.max(1.5, (tall - 4) * v / most) : 0;
        g.fillStyle = lane.colours[c];
        g.fillRect(width - (bars.length - i) * 5, y - h, 4, h);
        y -= h;
      });
    });
  });
}

// cells: [[used, shared, cached] or 0, ...] of `per` blocks each, n with the free ones behind the
// last; colours: those, then free.
export function cellMap(canvas, cells, n, per, colours) {
  const width = canvas.parentElement.clientWidth;
  const size = [22, 18, 15, 12, 10, 8, 7].find((s) => Math.ceil(n / Math.floor(width / s)) * s <= 200) ?? 7;
  const columns = Math.max(1, Math.floor(width / size));
  const { g } = begin(canvas, Math.max(size, Math.ceil(n / columns) * size));
  for (let i = 0; i < n; i++) {
    const cell = cells[i] || [];
    const x = (i % columns) * size, y0 = Math.floor(i / columns) * size, side = size - (size < 12 ? 1 : 2);
    let y = y0 + side;
    g.fillStyle = colours[3];
    g.fillRect(x, y0, side, side);
    cell.forEach((blocks, k) => {
      if (blocks === 0) return;
      const h = blocks >= per ? side : Math.max(1, side * blocks / per);
      g.fillStyle = colours[k];
      g.fillRect(x, y - h, side, h);
      y -= h;
    });
  }
}
