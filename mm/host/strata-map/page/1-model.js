// SPDX-License-Identifier: MIT
// The records, read into lists: addresses as BigInt where they are told, as numbers where they are drawn.
"use strict";

const PAGE = 4096;
const GIB = 2 ** 30;
const ORDERS = 19;
// Beyond every physical address that a processor has, and still exact as a number.
const DRAWN_END = 2 ** 52;

const hex = (value) => "0x" + value.toString(16);

function size(bytes) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
  let unit = 0;
  while (unit + 1 < units.length && bytes >= 2 ** (10 * (unit + 1))) {
    unit++;
  }
  const tenths = Math.floor((bytes / 2 ** (10 * unit)) * 10) / 10;
  return `${tenths} ${units[unit]}`;
}

const percent = (part, whole) => (whole ? ((100 * part) / whole).toFixed(2) + " %" : "");

// A number of the records: decimal, or a string "0x…" when it may be large.
const big = (value) => BigInt(value);
const drawn = (value) => Math.min(Number(value), DRAWN_END);

// A map may be of any numbers at all: those too that a double only comes near to.
const isNumber = (value) => Number.isInteger(value) ||
  (typeof value === "string" && /^(0x[0-9a-f]{1,32}|-?[0-9]{1,39})$/i.test(value));
const isText = (value) => typeof value === "string";
const isOrder = (value) => Number.isInteger(value) && value >= 0 && value < ORDERS;
const isCounts = (value) => Array.isArray(value) && value.length === ORDERS && value.every(Number.isSafeInteger);

// What the page reckons with, of each kind; what it only shows may be missing or anything.
const NEEDED = new Map(Object.entries({
  efi: { start: isNumber, pages: isNumber },
  region: { start: isNumber, end: isNumber, class: isText },
  frames: { start: isNumber, end: isNumber, state: isText,
    order: (value, record) => record.state !== "allocated" || isOrder(value) },
  section: { index: Number.isSafeInteger, start: isNumber, free: isCounts },
  mapping: { start: isNumber, end: isNumber, physical: isNumber },
  layout: { start: isNumber, end: isNumber },
  "acpi-table": { address: isNumber, length: isNumber, copy: (value) => !value || isNumber(value) },
  "acpi-data": { address: isNumber, bytes: isNumber },
  ledger: { account: isText, bytes: isNumber },
  finding: { text: isText },
  phase: { microseconds: Number.isFinite },
}));

// The first field of a record that the page cannot do without and cannot read; undefined when there is none.
function wrongField(record) {
  const needed = Object.entries(NEEDED.get(record.record) ?? {});
  return needed.find(([name, fits]) => !fits(record[name], record))?.[0];
}

// One that lacks something is passed over, and is a finding: the others are shown all the same.
function readRecords(text) {
  const kinds = new Map();
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  const numbers = new Map();
  const add = (record) => {
    if (!kinds.has(record.record)) {
      kinds.set(record.record, []);
    }
    kinds.get(record.record).push(record);
  };
  const refuse = (record, why) => add({ record: "finding", kind: "record", severity: "error",
    text: `record ${numbers.get(record) + 1}, of kind "${record.record}", is not shown: ${why}: ` +
      lines[numbers.get(record)] });
  lines.forEach((line, index) => {
    const record = JSON.parse(line);
    const wrong = wrongField(record);
    numbers.set(record, index);
    if (wrong === undefined) {
      add(record);
    } else {
      refuse(record, `its field "${wrong}" ${wrong in record ? "is not what it should be" : "is missing"}`);
    }
  });
  dropOverlapping(kinds, (record, other) => refuse(record, `it overlaps record ${numbers.get(other) + 1}`));
  return kinds;
}

function span(start, end, more) {
  return { first: start, last: end, begin: drawn(start), end: drawn(end), ...more };
}

// What the map is coloured by. The firmware's types have the colours of the classes that they become.
const TYPE_COLOURS = ["reserved", "loader", "loader", "bootsvc", "bootsvc", "runtime", "runtime", "free", "bad", "acpi",
  "nvs", "mmio", "mmio", "reserved", "pmem", "unaccepted"];
const colourOfType = (type) => TYPE_COLOURS[type] ?? "reserved";
const colourOfClass = (name) => (name === "usable" ? "free" : name);
const OWNER_COLOURS = new Set(["kernel", "page-table", "slab", "large", "vmalloc", "dma", "user", "stack", "acpi"]);
const STATE_COLOURS = { free: "free", cached: "cached", reserved: "reserved", bad: "bad", metadata: "metadata" };

function colourOfFrames(frames) {
  if (frames.state === "allocated") {
    return OWNER_COLOURS.has(frames.owner) ? frames.owner : "other";
  }
  return STATE_COLOURS[frames.state] ?? "other";
}

const ACCOUNT_COLOURS = { "kernel-image": "kernel", "page-metadata": "metadata", "acpi-tables": "acpi",
  "reserved-ranges": "reserved" };
const LEDGER_SUMS = new Set(["total", "unaccounted", "left-by-firmware", "not-ram", "described",
  "strata-itself"]);
const KNOWN_COLOURS = new Set([...TYPE_COLOURS, ...OWNER_COLOURS, ...Object.values(STATE_COLOURS), "low", "special",
  "other"]);

function colourOfAccount(name) {
  const colour = ACCOUNT_COLOURS[name] ?? name;
  return KNOWN_COLOURS.has(colour) ? colour : "other";
}

function buildModel(kinds) {
  const of = (kind) => kinds.get(kind) ?? [];
  const model = { kinds, strata: of("strata")[0] ?? {}, findings: of("finding"), slabs: of("slab"),
    phases: of("phase") };
  model.efi = of("efi").map((record) => {
    const start = big(record.start);
    return span(start, start + big(record.pages) * BigInt(PAGE), { record, colour: colourOfType(record.type),
      label: record.name });
  });
  model.regions = of("region").map((record) =>
    span(big(record.start), big(record.end), { record, colour: colourOfClass(record.class), label: record.class }));
  model.frames = of("frames").map((record) =>
    span(big(record.start), big(record.end), { record, colour: colourOfFrames(record),
      label: record.owner ?? record.state }));
  model.sections = of("section").map((record) => ({ ...record, begin: Number(big(record.start)) }));
  addObjects(model);
  model.mappings = of("mapping").map((record) => span(big(record.start), big(record.end), { record }));
  model.layout = of("layout").map((record) => span(big(record.start), big(record.end), { record }));
  const table = (address, bytes, was, text, after = "") =>
    span(big(address), big(address) + big(bytes), { was, text, after });
  model.tables = [
    ...of("acpi-table").map((record) => table(record.address, record.length, record.class,
      `ACPI table ${record.signature}, ${record.length} bytes, ${record.state}`,
      record.copy ? `; its copy is at ${record.copy}` : "")),
    ...of("acpi-table").filter((record) => record.copy).map((record) => table(record.copy, record.length, undefined,
      `Strata's copy of the ACPI table ${record.signature}`)),
    ...of("acpi-data").map((record) => table(record.address, record.bytes, record.class,
      `${record.name}, ${size(Number(big(record.bytes)))}`)),
  ];
  model.ledger = of("ledger").map((record) => ({ account: record.account, bytes: Number(BigInt.asIntN(64,
    big(record.bytes))) }));
  const notRam = new Set(["reserved", "mmio", "pmem"]);
  model.ramEnd = Math.max(PAGE, ...model.regions.filter((r) => !notRam.has(r.record.class)).map((r) => r.end));
  model.end = Math.max(model.ramEnd, ...model.regions.map((r) => r.end), ...model.efi.filter((d) =>
    d.last <= BigInt(DRAWN_END)).map((d) => d.end));
  return model;
}
