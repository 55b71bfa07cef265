// SPDX-License-Identifier: MIT
// What is at an address: through every layer, as the monitor's `whatis` tells it.
"use strict";

// "0x7f000", "7f000h", "640K", "1234"; null when it is none of these.
function parseAddress(text) {
  const word = text.trim().replace(/_/g, "");
  const scaled = /^(0x[0-9a-f]+|\d+)\s*([kmgt])?(?:i?b)?$/i.exec(word);
  if (scaled) {
    const shift = { k: 10n, m: 20n, g: 30n, t: 40n }[(scaled[2] ?? "").toLowerCase()] ?? 0n;
    const value = BigInt(scaled[1]) << shift;
    return value < 1n << 64n ? value : null;
  }
  const bare = /^([0-9a-f]{1,16})h?$/i.exec(word);
  return bare ? BigInt("0x" + bare[1]) : null;
}

const holds = (item, address) => item.first <= address && address < item.last;
const range = (item) => `[${hex(item.first)}, ${hex(item.last)})`;

function explainFirmware(model, address, say) {
  const found = model.efi.filter((descriptor) => holds(descriptor, address));
  for (const { record } of found) {
    say("firmware", `descriptor ${record.index}, ${record.name}, ${record.start} and ${record.pages} pages, ` +
      `attributes ${record.attributes}`);
  }
  if (found.length === 0) {
    say("firmware", "no descriptor names it");
  }
}

function explainRegion(model, address, say) {
  const region = model.regions.find((one) => holds(one, address));
  say("region", region ? `${region.record.class} ${range(region)}, ${size(region.end - region.begin)}` : "none");
  return region;
}

function freePages(section) {
  return section.free.reduce((sum, count, order) => sum + count * 2 ** order, 0);
}

function explainSection(model, address, say) {
  const index = Number(address >> 30n);
  const section = model.sections.find((one) => one.index === index);
  if (section) {
    say("section", `${index} at ${section.start}, ${section.state}, ${freePages(section)} pages free`);
  } else if (model.sections.length) {
    say("section", `${index}: nothing in it is the page allocator's`);
  }
}

// The free block that a frame lies in: which frames are free determines the blocks.
function freeBlock(run, address) {
  for (let order = ORDERS - 1; order >= 0; order--) {
    const bytes = BigInt(PAGE) << BigInt(order);
    const start = (address / bytes) * bytes;
    if (start >= run.first && start + bytes <= run.last) {
      return { order, start };
    }
  }
  return null;
}

function explainFrame(model, address, say) {
  const run = model.frames.find((one) => holds(one, address));
  if (!run) {
    if (model.frames.length) {
      say("frame", "not the page allocator's");
    }
    return;
  }
  const { state, order, owner } = run.record;
  if (state === "free") {
    const block = freeBlock(run, address); // null when the records cut a page
    const where = block ? `in a block of order ${block.order} at ${hex(block.start)}` : "in no whole page";
    say("frame", `free, ${where}; free all around: ${range(run)}`);
  } else if (state === "allocated") {
    const bytes = BigInt(PAGE) << BigInt(order);
    say("frame", `allocated, in a block of order ${order} at ${hex((address / bytes) * bytes)}, owner ${owner}`);
  } else {
    const names = { cached: "free, in a CPU's stack", bad: "bad, taken out for good",
      metadata: "the page allocator's own metadata", "not-listed": "not listed: the records end before it" };
    say("frame", names[state] ?? state);
  }
}

// What lies where the region has another class by now was there once: that memory has been given back. Of a table that
// begins in memory that stays the rest may have been, page by page.
function explainTables(model, address, region, say) {
  for (const { was, text, after } of model.tables.filter((one) => holds(one, address))) {
    if (was === undefined || (region ? region.record.class : "none") === was) {
      say("holds", text + after);
    } else {
      say("held", `${text}, given back${after}`);
    }
  }
}

function explainMappings(model, address, say) {
  const mapped = model.mappings.filter(({ record, first, last }) => {
    const physical = big(record.physical);
    return physical <= address && address < physical + (last - first);
  });
  for (const { record, first } of mapped.slice(0, 8)) {
    say("mapped", `at ${hex(first + address - big(record.physical))}, ${record.permissions}, ${record.cache}, in the ` +
      record.area);
  }
  if (model.mappings.length && mapped.length === 0) {
    say("mapped", "nowhere");
  }
}

function explainVirtual(model, address, say) {
  const mapping = model.mappings.find((one) => holds(one, address));
  const area = model.layout.find((one) => holds(one, address));
  const objects = () => explainGuarded(model, address, area?.record.area, say);
  if (mapping) {
    const { record } = mapping;
    const physical = big(record.physical) + address - mapping.first;
    say("virtual", `${record.area}, to physical ${hex(physical)}, ${record.permissions}, ${record.cache}, pages of ` +
      size(record.page));
    objects();
    return physical;
  }
  say("virtual", area ? `not mapped; in the area "${area.record.area}" ${range(area)}` :
    "not mapped, and in no area of the kernel's layout");
  objects();
  return null;
}

// A list of [layer, sentence].
function explain(model, address) {
  const lines = [];
  const say = (layer, text) => lines.push([layer, text]);
  let physical = address;
  if (address >= 1n << 52n) {
    physical = explainVirtual(model, address, say);
    if (physical === null) {
      return lines;
    }
  }
  explainFirmware(model, physical, say);
  const region = explainRegion(model, physical, say);
  explainSection(model, physical, say);
  explainFrame(model, physical, say);
  explainTables(model, physical, region, say);
  explainObject(model, physical, say);
  if (address === physical) {
    explainMappings(model, physical, say);
  }
  return lines;
}
