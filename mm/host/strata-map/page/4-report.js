// SPDX-License-Identifier: MIT
// What stands below the map: ledger, buddy, findings, slabs, phases, and every other kind of record as a table.
// Text goes into the page as text only.
"use strict";

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") {
      made.addEventListener("click", value);
    } else {
      made.setAttribute(key, value);
    }
  }
  made.append(...children);
  return made;
}

const swatch = (colour) => {
  const made = element("span", { class: "swatch" });
  made.style.background = `var(--c-${colour})`;
  return made;
};

// A text whose addresses can be clicked.
function withAddresses(text, ask) {
  const parts = text.split(/\b(0x[0-9a-f]{3,16})\b/i);
  return parts.map((part, index) =>
    index % 2 ? element("a", { class: "address", href: `#${part}`, onclick: (event) => {
      event.preventDefault();
      ask(part, true);
    } }, part) : part);
}

// Of long lists the first are shown; a button brings the others.
const SHOWN = 32;

function moreButton(count, show) {
  if (count <= SHOWN) {
    return [];
  }
  const button = element("button", { type: "button", onclick: () => {
    show();
    button.remove();
  } }, `Show ${count - SHOWN} more`);
  return [button];
}

function card(id, title, ...children) {
  return element("section", { id, "aria-labelledby": `${id}-title` }, element("h2", { id: `${id}-title` }, title),
    ...children);
}

// Columns whose hexadecimal numbers are none.
const NO_ADDRESSES = new Set(["attributes", "bytes", "in_use", "large_bytes", "overhead", "wanted"]);

function tableOf(columns, rows, ask) {
  const head = element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, name)));
  const body = element("tbody");
  for (const row of rows) {
    const cells = row.map((cell, column) => element("td", {}, ...(NO_ADDRESSES.has(columns[column]) ?
      [String(cell ?? "–")] : withAddresses(String(cell ?? "–"), ask))));
    body.append(element("tr", {}, ...cells));
  }
  return element("div", { class: "scroll" }, element("table", { class: "figures" }, element("thead", {}, head), body));
}

// A table that is made when it is first opened: thousands of rows cost nothing until then.
function folded(id, title, remark, make) {
  const details = element("details", {}, element("summary", {}, `${title} `, element("small", {}, remark)));
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) {
      details.append(make());
    }
  });
  details.id = id;
  return details;
}

function bar(parts) {
  const made = element("div", { class: "bar", role: "img",
    "aria-label": parts.map((part) => `${part.account} ${size(part.bytes)}`).join(", ") });
  for (const part of parts) {
    const piece = element("span", { title: `${part.account}: ${size(part.bytes)}` });
    piece.style.flexGrow = part.bytes;
    piece.style.background = `var(--c-${colourOfAccount(part.account)})`;
    made.append(piece);
  }
  return made;
}

function ledgerCard(model) {
  if (!model.ledger.length) {
    return [];
  }
  const total = model.ledger.find((entry) => entry.account === "total")?.bytes ?? 0;
  const unaccounted = model.ledger.find((entry) => entry.account === "unaccounted")?.bytes ?? 0;
  const parts = model.ledger.filter((entry) => !LEDGER_SUMS.has(entry.account) && entry.bytes > 0);
  const used = parts.filter((entry) => entry.account !== "free" && entry.account !== "cached");
  const rows = element("tbody");
  const line = (name, bytes, ...before) => rows.append(element("tr", {}, element("td", {}, ...before, name),
    element("td", { class: "right" }, size(bytes)),
    element("td", { class: "right" }, (bytes / 1024).toLocaleString("en") + " KiB"),
    element("td", { class: "right" }, percent(bytes, total))));
  parts.forEach((entry) => line(entry.account, entry.bytes, swatch(colourOfAccount(entry.account))));
  line("total RAM", total);
  const verdict = element("p", { class: unaccounted ? "error" : "good" }, `unaccounted ${unaccounted}`);
  return [card("ledger", "Ledger", bar(parts),
    element("p", { class: "caption" }, "Without what is free, enlarged:"), bar(used),
    element("div", { class: "scroll" }, element("table", { class: "figures" }, rows)), verdict)];
}

// Sections one after the other that look the same are one row.
function sectionRuns(sections) {
  const runs = [];
  for (const section of sections) {
    const last = runs[runs.length - 1];
    const alike = last && section.state !== "split" && last.state === section.state;
    if (alike && section.index === last.index + last.count) {
      last.count++;
    } else {
      runs.push({ ...section, count: 1 });
    }
  }
  return runs;
}

function buddyCell(count, order, most) {
  const cell = element("td", {}, count ? count.toLocaleString("en") : "·");
  if (count) {
    const pages = count * 2 ** order;
    const strength = 0.12 + (0.6 * Math.log2(1 + pages)) / Math.log2(1 + most);
    cell.style.background = `rgba(var(--heat), ${strength.toFixed(3)})`;
    cell.title = `${count} blocks of ${size(PAGE * 2 ** order)}: ${size(PAGE * pages)}`;
  }
  return cell;
}

function buddyCard(model) {
  if (!model.sections.length) {
    return [];
  }
  const runs = sectionRuns(model.sections);
  const sums = Array.from({ length: ORDERS }, (_, order) =>
    runs.reduce((sum, run) => sum + run.free[order] * run.count, 0));
  const free = sums.reduce((sum, count, order) => sum + count * 2 ** order, 0);
  const large = sums.reduce((sum, count, order) => sum + (order >= 9 ? count * 2 ** order : 0), 0);
  const most = GIB / PAGE;
  const head = element("tr", {}, element("th", { scope: "col" }, "section"), element("th", { scope: "col" }, "state"),
    ...sums.map((_, order) => element("th", { scope: "col", title: size(PAGE * 2 ** order) }, String(order))));
  const body = element("tbody");
  const rowOf = (run) => {
    const times = run.count > 1 ? ` × ${run.count}` : "";
    const where = `[${hex(run.begin)}, ${hex(run.begin + run.count * GIB)})${times}`;
    return element("tr", {}, element("td", {}, where), element("td", {}, run.state),
      ...run.free.map((count, order) => buddyCell(count * run.count, order, most * run.count)));
  };
  body.append(...runs.slice(0, SHOWN).map(rowOf));
  const more = moreButton(runs.length, () => body.append(...runs.slice(SHOWN).map(rowOf)));
  if (runs.length > 1) {
    body.prepend(element("tr", {}, element("th", { scope: "row" }, "all"), element("td", {}, ""),
      ...sums.map((count, order) => buddyCell(count, order, free))));
  }
  return [card("buddy", "Buddy: free blocks by section and order", element("p", { class: "caption" },
    `Order 0 is 4 KiB, 9 is 2 MiB, 18 is 1 GiB. Free: ${size(free * PAGE)}, ${percent(large, free)} of it in ` +
    "blocks of 2 MiB and more."), element("div", { class: "scroll" }, element("table", { class: "buddy figures" },
    element("thead", {}, head), body)), ...more)];
}

function findingsCard(model, ask) {
  const list = element("ul");
  const weight = { error: 0, warning: 1, note: 2 };
  const sorted = [...model.findings].sort((a, b) => (weight[a.severity] ?? 3) - (weight[b.severity] ?? 3));
  const fill = (findings) => list.append(...findings.map((finding) => element("li", {},
    element("span", { class: `badge ${finding.severity}` }, finding.severity ?? "finding"),
    element("b", {}, `${finding.kind}: `), ...withAddresses(finding.text, ask))));
  fill(sorted.slice(0, SHOWN));
  const body = [sorted.length ? list : element("p", { class: "good" }, "Nothing is wrong with this map."),
    ...moreButton(sorted.length, () => fill(sorted.slice(SHOWN)))];
  return [card("findings", `Findings: ${sorted.length}`, ...body)];
}

function slabsCard(model, ask) {
  if (!model.slabs.length) {
    return [];
  }
  const names = [...new Set(model.slabs.flatMap((slab) => Object.keys(slab)))].filter((name) => name !== "record");
  const rows = model.slabs.map((slab) => names.map((name) => slab[name]));
  return [card("slabs", "Slabs", tableOf(names.map((name) => name.replaceAll("_", " ")), rows, ask))];
}

function phasesCard(model) {
  if (!model.phases.length) {
    return [];
  }
  const longest = Math.max(...model.phases.map((phase) => phase.microseconds), 1);
  const body = element("tbody");
  for (const phase of model.phases) {
    const drawing = element("div", { class: "phase" });
    drawing.style.width = `${(100 * phase.microseconds) / longest}%`;
    const wide = element("td", {}, drawing);
    wide.style.width = "60%";
    body.append(element("tr", {}, element("td", {}, phase.name), element("td", { class: "right" },
      `${phase.microseconds.toLocaleString("en")} µs`), wide));
  }
  const table = element("table", { class: "figures" }, body);
  table.style.width = "100%";
  return [card("phases", "Phases of the boot", element("div", { class: "scroll" }, table))];
}

const TITLES = { efi: "The firmware's descriptors", region: "Regions", frames: "Frames", mapping: "Page tables",
  layout: "Layout of the address space", protection: "Protection", "acpi-table": "ACPI tables",
  "acpi-data": "Other data of the firmware", "acpi-run": "Pages of ACPI memory", acpi: "ACPI memory",
  "slab-heap": "kmalloc, beside its slabs", "slab-block": "Slabs, one by one", "large-object": "Large objects",
  "guarded-object": "Guarded objects", "objects-not-listed": "Objects that are not listed", pool: "Pools of objects",
  vm: "Allocations of kernel addresses", runtime: "Runtime services",
  tripwire: "Memory that the firmware gave up, watched", audit: "Audit of the page tables",
  "audit-sum": "Audit, the sum" };
const OWN_CARD = new Set(["strata", "finding", "section", "ledger", "slab", "phase"]);

// Whatever kinds there are, those that are not known today too.
function otherCards(model, ask) {
  const tables = [...model.kinds].filter(([kind]) => !OWN_CARD.has(kind)).map(([kind, records]) => {
    const names = [...new Set(records.flatMap((record) => Object.keys(record)))].filter((name) => name !== "record");
    const cell = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : value);
    return folded(`records-${kind}`, TITLES[kind] ?? kind, String(records.length), () =>
      tableOf(names, records.map((record) => names.map((name) => cell(record[name]))), ask));
  });
  return [card("records-all", "All records", ...tables)];
}
