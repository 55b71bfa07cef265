// SPDX-License-Identifier: MIT
// The page: its head, the address that is asked about, and what mouse and keys do to the map.
"use strict";

const byId = (id) => document.getElementById(id);

function fillHead(model, source) {
  const { strata } = model;
  const parts = [strata.cpu, strata.firmware, source && `from ${source}`, strata.version &&
    `Strata ${strata.version} (${strata.build})`];
  if (strata.replayed) {
    parts.push(`REPLAY of another machine's map, ${strata.replayed} descriptors`);
  }
  byId("machine").textContent = parts.filter(Boolean).join(" · ");
  if (strata.check) {
    byId("verdict").textContent = strata.check === "ok" ? "check: ok" : `check: ${strata.check}`;
    byId("verdict").className = strata.check === "ok" ? "good" : "error";
  }
  const ledger = new Map(model.ledger.map((entry) => [entry.account, entry.bytes]));
  const free = (ledger.get("free") ?? 0) + (ledger.get("cached") ?? 0);
  const total = ledger.get("total") ?? model.regions.reduce((sum, region) => sum + region.end - region.begin, 0);
  const figure = (name, value, remark) => byId("figures").append(element("div", {}, element("dt", {}, name),
    element("dd", {}, value, element("small", {}, remark))));
  figure("RAM", size(total), `ends at ${hex(model.ramEnd)}`);
  if (ledger.size) {
    figure("Free", size(free), percent(free, total) + " of it");
    figure("The firmware keeps", size(total - (ledger.get("left-by-firmware") ?? total)), "for itself");
    figure("Unaccounted", String(ledger.get("unaccounted")), "bytes in no account");
  }
  figure("Map", `${model.efi.length} → ${model.regions.length}`, "descriptors to regions");
  figure("Findings", String(model.findings.length), model.findings.length ? "listed below" : "a clean map");
}

function fillLegend(map) {
  const colours = new Map();
  for (const lane of map.lanes) {
    for (const item of lane.items) {
      colours.set(item.colour, item.colour);
    }
  }
  byId("legend").replaceChildren(...[...colours.keys()].map((colour) => element("li", {}, swatch(colour), colour)));
}

function showAnswer(model, address, ask) {
  const list = element("dl");
  for (const [layer, text] of explain(model, address)) {
    list.append(element("dt", {}, layer), element("dd", {}, ...withAddresses(text, ask)));
  }
  const what = address >= 1n << 52n ? "virtual" : "physical";
  byId("answer").replaceChildren(element("h3", {}, `${what} ${hex(address)}`), list);
}

function makeAsk(model, map) {
  return function ask(text, move) {
    const address = parseAddress(text);
    byId("address").value = text;
    if (address === null) {
      byId("answer").replaceChildren(element("p", { class: "error" },
        `“${text}” is no address: expected one such as 0x100000, 640K or 4G`));
      return;
    }
    showAnswer(model, address, ask);
    history.replaceState(null, "", `#${hex(address)}`);
    const at = Number(address);
    map.marked = address < BigInt(model.end) ? at : null;
    if (move && map.marked !== null && (at < map.low || at >= map.high)) {
      map.view(at - (map.high - map.low) / 2, at + (map.high - map.low) / 2);
    }
    map.request();
  };
}

function fillTip(model, map, x) {
  const tip = byId("tip");
  const address = Math.floor(map.addressAt(x));
  const perPixel = Math.ceil((map.high - map.low) / map.canvas.clientWidth);
  map.hovered = address;
  const lines = explain(model, BigInt(address)).filter(([layer]) => layer !== "section" && layer !== "mapped");
  const near = map.lanes[Math.min(1, map.lanes.length - 1)].items.filter((item) => item.begin < address + perPixel &&
    item.end > address);
  tip.replaceChildren(element("b", {}, hex(address)), ...lines.map(([layer, text]) => element("div", {},
    `${layer}: ${text}`)));
  if (near.length > 1) {
    tip.append(element("div", { class: "hint" }, `${near.length} regions in this column of ${size(perPixel)}: ` +
      [...new Set(near.map((item) => item.label))].join(", ")));
  }
  tip.hidden = false;
  const width = map.canvas.clientWidth;
  tip.style.left = x < width / 2 ? `${x + 14}px` : "auto";
  tip.style.right = x < width / 2 ? "auto" : `${width - x + 14}px`;
  tip.style.top = `${map.canvas.clientHeight - 4}px`;
  map.request();
}

function hideTip(map) {
  byId("tip").hidden = true;
  map.hovered = null;
  map.request();
}

function fillView(map, address) {
  const region = map.model.regions.find((one) => one.begin <= address && address < one.end);
  if (region) {
    const edge = (region.end - region.begin) / 20;
    map.view(region.begin - edge, region.end + edge);
  }
}

// To the region behind or before the one that is marked.
function step(model, map, ask, by) {
  const at = map.marked ?? map.low;
  const index = model.regions.findIndex((one) => one.end > at);
  const next = model.regions[Math.min(Math.max((index < 0 ? model.regions.length : index) + by, 0),
    model.regions.length - 1)];
  if (next) {
    ask(hex(next.begin), true);
  }
}

function listenToMouse(model, map, ask) {
  const { canvas } = map;
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, low: map.low, high: map.high, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) {
      fillTip(model, map, event.offsetX);
      return;
    }
    drag.moved ||= Math.abs(event.offsetX - drag.x) > 3;
    if (drag.moved) {
      hideTip(map);
      const by = ((drag.x - event.offsetX) / canvas.clientWidth) * (drag.high - drag.low);
      map.view(drag.low + by, drag.high + by);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved) {
      ask(hex(Math.floor(map.addressAt(event.offsetX))), false);
    }
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("pointerleave", () => hideTip(map));
  canvas.addEventListener("dblclick", (event) => fillView(map, map.addressAt(event.offsetX)));
  canvas.addEventListener("wheel", (event) => {
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    if (sideways) {
      map.pan((event.deltaX || event.deltaY) / canvas.clientWidth);
    } else if (event.ctrlKey || event.metaKey || document.activeElement === canvas) {
      map.zoom(1.0015 ** event.deltaY, map.addressAt(event.offsetX));
    } else {
      return;
    }
    event.preventDefault();
  }, { passive: false });
  const jump = (event) => {
    if (event.buttons & 1) {
      const at = map.addressAt(event.offsetX, map.overview, 0, model.end);
      const half = (map.high - map.low) / 2;
      map.view(at - half, at + half);
    }
  };
  map.overview.addEventListener("pointerdown", jump);
  map.overview.addEventListener("pointermove", jump);
}

function listenToKeys(model, map, ask) {
  const keys = {
    ArrowLeft: () => map.pan(-0.1), ArrowRight: () => map.pan(0.1),
    PageUp: () => map.pan(-0.9), PageDown: () => map.pan(0.9),
    "+": () => map.zoom(0.5, map.marked ?? undefined), "=": () => map.zoom(0.5, map.marked ?? undefined),
    "-": () => map.zoom(2, map.marked ?? undefined),
    "[": () => step(model, map, ask, -1), "]": () => step(model, map, ask, map.marked === null ? 0 : 1),
    Home: () => map.view(0, model.ramEnd), End: () => map.view(0, model.end),
    Enter: () => fillView(map, map.marked ?? map.low),
  };
  map.canvas.addEventListener("keydown", (event) => {
    if (keys[event.key] && !event.ctrlKey && !event.altKey && !event.metaKey) {
      keys[event.key]();
      event.preventDefault();
    }
  });
  const press = (id, action) => byId(id).addEventListener("click", action);
  press("zoom-in", keys["+"]);
  press("zoom-out", keys["-"]);
  press("show-ram", keys.Home);
  press("show-all", keys.End);
}

function start() {
  const source = document.title;
  const model = buildModel(readRecords(byId("records").textContent));
  const map = new MemoryMap(byId("map"), byId("overview"), model);
  const ask = makeAsk(model, map);
  document.title = source ? `${source} – Strata` : "Strata";
  fillHead(model, source);
  fillLegend(map);
  byId("report").append(...findingsCard(model, ask), ...ledgerCard(model), ...buddyCard(model),
    ...slabsCard(model, ask), ...phasesCard(model), ...otherCards(model, ask));
  byId("footer").textContent = "Drawn by strata-map from the records in this file, which anybody may read with a " +
    "text editor. Nothing is loaded from anywhere.";
  byId("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    ask(byId("address").value, true);
  });
  listenToMouse(model, map, ask);
  listenToKeys(model, map, ask);
  new ResizeObserver(() => map.request()).observe(map.canvas);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => map.draw());
  }
  window.addEventListener("beforeprint", () => map.draw());
  window.addEventListener("hashchange", () => location.hash.length > 1 && ask(location.hash.slice(1), true));
  map.draw();
  if (location.hash.length > 1) {
    ask(decodeURIComponent(location.hash.slice(1)), true);
  }
  window.strata = { model, map, explain, parseAddress };
}

start();
