// SPDX-License-Identifier: MIT
// The map: lanes over one axis of addresses, drawn to scale on a canvas.
//
// A column of pixels that holds several things is divided as they divide its bytes, each at least one pixel high, so
// that nothing vanishes however far one is away. What is drawn costs O(items + pixels) a frame, with no DOM at all.
"use strict";

const LANE = { top: 20, height: 40, gap: 24 };
const AXIS = 28;
const SPAN_MIN = PAGE; // a pixel is not wider than the smallest object
const STEP_MIN = 256;

class MemoryMap {
  constructor(canvas, overview, model) {
    this.canvas = canvas;
    this.overview = overview;
    this.model = model;
    this.lanes = [
      { name: "firmware's descriptors", items: model.efi },
      { name: "regions", items: model.regions },
      { name: "frames, as the page allocator has them", items: model.frames },
    ].filter((lane) => lane.items.length);
    this.low = 0;
    this.high = model.ramEnd;
    this.marked = null; // an address as a number
    this.hovered = null;
    this.onview = () => {};
    this.stats = { frames: 0, slowest: 0, last: 0 };
    this.pending = false;
  }

  // Shows [low, high), kept inside what there is.
  view(low, high) {
    const widest = Math.max(this.model.end, SPAN_MIN);
    const width = Math.min(Math.max(high - low, SPAN_MIN), widest);
    const start = Math.min(Math.max(low + (high - low - width) / 2, 0), widest - width);
    this.low = start;
    this.high = start + width;
    this.request();
  }

  zoom(factor, at = (this.low + this.high) / 2) {
    const width = Math.min(Math.max((this.high - this.low) * factor, SPAN_MIN), Math.max(this.model.end, SPAN_MIN));
    const share = (at - this.low) / (this.high - this.low);
    this.view(at - share * width, at + (1 - share) * width);
  }

  pan(share) {
    const by = share * (this.high - this.low);
    this.view(this.low + by, this.high + by);
  }

  request() {
    if (!this.pending) {
      this.pending = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  addressAt(x, canvas = this.canvas, low = this.low, high = this.high) {
    const share = Math.min(Math.max(x / canvas.clientWidth, 0), 1);
    return Math.min(low + share * (high - low), high - 1);
  }

  draw() {
    const began = performance.now();
    this.pending = false;
    this.readColours();
    this.drawLanes();
    this.drawOverview();
    this.stats.frames++;
    this.stats.last = performance.now() - began;
    this.stats.slowest = Math.max(this.stats.slowest, this.stats.last);
    this.onview(this);
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    this.colour = new Proxy({}, { get: (known, name) => (known[name] ??= style.getPropertyValue("--" + name).trim()) });
    this.font = style.getPropertyValue("--sans");
    this.mono = style.getPropertyValue("--mono");
  }

  // A context whose unit is a pixel of the page, and the ratio to pixels of the screen.
  prepare(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, width, height);
    return { context, ratio, width, height };
  }

  drawLanes() {
    const bottom = this.lanes.length * (LANE.height + LANE.gap) + AXIS;
    this.canvas.style.height = `${bottom}px`;
    const target = this.prepare(this.canvas);
    const { context, ratio } = target;
    this.lanes.forEach((lane, index) => {
      const top = index * (LANE.height + LANE.gap);
      context.fillStyle = this.colour.soft;
      context.font = `${12 * ratio}px ${this.font}`;
      context.textBaseline = "alphabetic";
      context.fillText(lane.name, 0, (top + LANE.top - 6) * ratio);
      this.drawBand(target, lane.items, this.low, this.high, (top + LANE.top) * ratio, LANE.height * ratio);
      this.drawLabels(target, lane.items, (top + LANE.top) * ratio, LANE.height * ratio);
    });
    this.drawAxis(target, bottom - AXIS + 4);
    this.drawMark(target, this.hovered, this.colour.soft, 1);
    this.drawMark(target, this.marked, this.colour.accent, 2);
  }

  // Fills what covers whole columns at once, and gathers the shares of the others.
  drawBand({ context, width }, items, low, high, top, height) {
    const scale = width / (high - low);
    const mixed = new Map();
    const share = (column, colour, part) => {
      if (column < 0 || column >= width || part <= 0) {
        return;
      }
      if (!mixed.has(column)) {
        mixed.set(column, new Map());
      }
      const parts = mixed.get(column);
      parts.set(colour, (parts.get(colour) ?? 0) + part);
    };
    context.fillStyle = this.colour.line;
    context.fillRect(0, top + height - 1, width, 1);
    for (const item of items) {
      if (item.end <= low || item.begin >= high || item.end <= item.begin) {
        continue;
      }
      const from = Math.max((item.begin - low) * scale, 0);
      const to = Math.min((item.end - low) * scale, width);
      const first = Math.ceil(from - 1e-6);
      const last = Math.floor(to + 1e-6);
      if (first > last) {
        share(first - 1, item.colour, to - from);
        continue;
      }
      share(first - 1, item.colour, first - from);
      share(last, item.colour, to - last);
      context.fillStyle = this.colour["c-" + item.colour];
      context.fillRect(first, top, last - first, height);
    }
    for (const [column, parts] of mixed) {
      this.drawColumn(context, column, parts, top, height);
    }
  }

  drawColumn(context, column, parts, top, height) {
    const sorted = [...parts].sort((a, b) => b[1] - a[1]);
    let bottom = top + height;
    for (const [colour, part] of sorted) {
      const tall = Math.max(1, Math.round(part * height));
      context.fillStyle = this.colour["c-" + colour];
      context.fillRect(column, Math.max(bottom - tall, top), 1, Math.min(tall, bottom - top));
      bottom = Math.max(bottom - tall, top + 1);
    }
  }

  drawLabels({ context, ratio, width }, items, top, height) {
    const scale = width / (this.high - this.low);
    context.font = `${12 * ratio}px ${this.font}`;
    context.textBaseline = "middle";
    let lastEnd = -1;
    for (const item of items) {
      const from = Math.max((item.begin - this.low) * scale, 0);
      const to = Math.min((item.end - this.low) * scale, width);
      // An edge between neighbours of one colour.
      if (to - from > 4 * ratio && item.begin > this.low) {
        context.fillStyle = this.colour.card;
        context.fillRect(Math.round(from), top, 1, height);
      }
      if (to - from < 48 * ratio || from < lastEnd) {
        continue;
      }
      const text = context.measureText(item.label).width;
      if (text + 12 * ratio < to - from) {
        context.fillStyle = this.colour.ink;
        context.fillText(item.label, from + 6 * ratio, top + height / 2);
        lastEnd = from + text;
      }
    }
  }

  drawAxis({ context, ratio, width }, top) {
    const wanted = (this.high - this.low) / Math.max(width / ratio / 130, 1);
    const step = Math.max(2 ** Math.ceil(Math.log2(wanted)), STEP_MIN);
    const scale = width / (this.high - this.low);
    context.font = `${11 * ratio}px ${this.mono}`;
    context.textBaseline = "top";
    context.fillStyle = this.colour.soft;
    for (let at = Math.ceil(this.low / step) * step; at < this.high; at += step) {
      const x = Math.round((at - this.low) * scale);
      context.fillRect(x, top * ratio, 1, 6 * ratio);
      const text = hex(at);
      const room = width - x - context.measureText(text).width - 4 * ratio;
      context.fillText(text, room > 0 ? x + 3 * ratio : x - context.measureText(text).width, (top + 7) * ratio);
    }
  }

  drawMark({ context, ratio, width, height }, address, colour, thick) {
    if (address === null || address < this.low || address >= this.high) {
      return;
    }
    const x = ((address - this.low) / (this.high - this.low)) * width;
    context.fillStyle = colour;
    context.fillRect(Math.round(x - (thick * ratio) / 2), 0, Math.max(thick * ratio, 1), height - AXIS * ratio);
  }

  // All that is described, with a frame around what the map shows.
  drawOverview() {
    const target = this.prepare(this.overview);
    const { context, ratio, width, height } = target;
    const band = this.model.regions.length ? this.model.regions : this.model.efi;
    this.drawBand(target, band, 0, this.model.end, 4 * ratio, height - 8 * ratio);
    const from = (this.low / this.model.end) * width;
    const wide = Math.max(((this.high - this.low) / this.model.end) * width, 4 * ratio);
    context.strokeStyle = this.colour.accent;
    context.lineWidth = 2 * ratio;
    context.strokeRect(Math.min(Math.max(from, ratio), width - wide - ratio), ratio, wide, height - 2 * ratio);
  }
}
