// SPDX-License-Identifier: MIT
// Slabs and objects: the last layer of an address, in the words of the monitor's `whatis`.
//
// A report has thousands of them, and the mouse asks at every step: they lie sorted and disjoint, to be halved.
"use strict";

const ADDRESSES_END = 1n << 64n;
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isFlag = (value) => typeof value === "boolean";
const isCaller = (value) => value === undefined || value === null || isText(value);
const isBelow = (end) => (value) => isNumber(value) && big(value) >= 0n && big(value) < end;
const isPhysical = isBelow(BigInt(DRAWN_END));
const isAddress = isBelow(ADDRESSES_END);
// Bytes from `start` on, which end in the space that addresses lie in.
const isBytes = (end) => (value, { start }) => isNumber(value) && big(value) > 0n && big(start) + big(value) <= end;

// As many digits as the objects need, one at least, and nothing behind the last object.
function isBitmap(value, { objects }) {
  return isText(value) && /^0x[0-9a-f]+$/i.test(value) && value.length - 2 === Math.max(Math.ceil(objects / 4), 1) &&
    big(value) >> BigInt(objects) === 0n;
}

// A field comes after those that it is held against: when it is looked at, they are what they should be.
Object.entries({
  "slab-heap": { direct_map: (value) => value === undefined || isAddress(value) },
  "slab-block": { cache: isText, cpu: isCount, start: isPhysical, bytes: isBytes(BigInt(DRAWN_END)), first: isCount,
    stride: (value) => isCount(value) && value > 0,
    objects: (value, { bytes, first, stride }) => isCount(value) &&
      BigInt(first) + BigInt(stride) * BigInt(value) <= big(bytes),
    in_use: isBitmap },
  "large-object": { start: isPhysical, bytes: isBytes(BigInt(DRAWN_END)),
    wanted: (value, { bytes }) => isNumber(value) && big(value) >= 0n && big(value) <= big(bytes),
    in_use: isFlag, allocated_by: isCaller, freed_by: isCaller },
  "guarded-object": { cache: isText, start: isAddress, bytes: isBytes(ADDRESSES_END),
    object: (value, { start, bytes }) => isAddress(value) && big(value) >= big(start) &&
      big(value) <= big(start) + big(bytes),
    object_size: (value, { start, bytes, object }) => isCount(value) &&
      big(object) + BigInt(value) <= big(start) + big(bytes),
    in_use: isFlag, allocated_by: isCaller, freed_by: isCaller },
  "objects-not-listed": { slabs: isCount, large: isCount, guarded: isCount,
    start: (value) => value === null || isPhysical(value) },
}).forEach(([kind, fields]) => NEEDED.set(kind, fields));

// Kinds of which no two may overlap.
const DISJOINT = [["slab-block", "large-object"], ["guarded-object"]];

// Where the records of some kinds are: sorted.
function placesOf(kinds, names) {
  const places = names.flatMap((name) => kinds.get(name) ?? []).map((record) => {
    const start = big(record.start);
    return { first: start, last: start + big(record.bytes), record };
  });
  return places.sort((a, b) => (a.first < b.first ? -1 : Number(a.first > b.first)));
}

// Takes out what overlaps one that begins before it, or in the same place: `refuse` is told of both.
function dropOverlapping(kinds, refuse) {
  for (const names of DISJOINT) {
    let before = { last: 0n };
    const dropped = new Set();
    for (const place of placesOf(kinds, names)) {
      if (place.first < before.last) {
        dropped.add(place.record);
        refuse(place.record, before.record);
      } else {
        before = place;
      }
    }
    for (const name of dropped.size ? names.filter((one) => kinds.has(one)) : []) {
      kinds.set(name, kinds.get(name).filter((record) => !dropped.has(record)));
    }
  }
}

function addObjects(model) {
  const [blocks, guarded] = DISJOINT;
  model.blocks = placesOf(model.kinds, blocks);
  model.guarded = placesOf(model.kinds, guarded);
  model.notListed = model.kinds.get("objects-not-listed")?.[0];
  // What is added to a physical address where the kernel has it mapped.
  model.directMap = big(model.kinds.get("slab-heap")?.[0].direct_map ?? 0);
}

// The one of sorted and disjoint places that an address lies in.
function placeOf(places, address) {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    [low, high] = places[middle].first <= address ? [middle + 1, high] : [low, middle];
  }
  const found = places[low - 1];
  return found && address < found.last ? found : undefined;
}

function wherein(object, bytes, address) {
  if (address < object) {
    return `; the address is ${hex(object - address)} bytes before it`;
  }
  return address >= object + bytes ? `; the address is ${hex(address - object - bytes)} bytes behind it` :
    `; the address is its byte ${hex(address - object)}`;
}

function slabWords(model, { first: start, record }, address) {
  const [first, stride] = [BigInt(record.first), BigInt(record.stride)];
  const slab = `; slab at ${hex(start + model.directMap)}, ${big(record.bytes)} bytes, of CPU ${record.cpu}`;
  if (address < start + first) {
    return `none, it lies before the first${slab}`;
  }
  const index = (address - start - first) / stride;
  if (index >= BigInt(record.objects)) {
    return `none, it lies behind the last${slab}`;
  }
  const object = start + first + index * stride;
  const state = (big(record.in_use) >> index) & 1n ? "in use" : "free";
  return `${index} of ${record.cache} at ${hex(object + model.directMap)}, ${stride} bytes, ${state}` +
    wherein(object, stride, address) + slab;
}

const freedBy = (record) => (record.in_use ? "" : `, freed by ${record.freed_by ?? "unknown"}`);

function largeWords(model, { first: start, record }, address) {
  const by = record.allocated_by ? `, allocated by ${record.allocated_by}` : "";
  return `a large one at ${hex(start + model.directMap)}, ${big(record.bytes)} bytes, ${big(record.wanted)} asked ` +
    `for, ${record.in_use ? "in use" : "freed"}${by}${freedBy(record)}` + wherein(start, big(record.wanted), address);
}

// Of the frames of slabs and large objects, and of those that nothing is known of, somebody has to say something.
function mayBeLeftOut(model, address) {
  const start = model.notListed?.start ?? null;
  const frames = start === null || address < big(start) ? undefined :
    model.frames.find((run) => holds(run, address))?.record;
  return frames?.owner === "slab" || frames?.owner === "large" || frames?.state === "not-listed";
}

function explainObject(model, address, say) {
  const place = placeOf(model.blocks, address);
  if (place) {
    say("object", (place.record.record === "slab-block" ? slabWords : largeWords)(model, place, address));
  } else if (mayBeLeftOut(model, address)) {
    const { slabs, large, start } = model.notListed;
    say("object", `not listed: from ${start} on the records leave out ${slabs} slabs and ${large} large objects`);
  }
}

// Guarded objects have pages of their own; of an address in the page before or behind them, the nearer one.
function explainGuarded(model, address, area, say) {
  const distance = ({ record }) => {
    const [begin, end] = [big(record.object), big(record.object) + BigInt(record.object_size)];
    return address < begin ? begin - address : address >= end ? address - end + 1n : 0n;
  };
  const page = BigInt(PAGE);
  const beside = [address - page, address + page].map((at) => placeOf(model.guarded, at)).filter(Boolean);
  const place = placeOf(model.guarded, address) ?? beside.sort((a, b) => Number(distance(a) - distance(b)))[0];
  if (place) {
    const { record } = place;
    const object = big(record.object);
    say("object", `${hex(object)} of ${record.cache}, ${record.object_size} bytes, ` +
      `${record.in_use ? "in use" : "freed"}, allocated by ${record.allocated_by ?? "unknown"}${freedBy(record)}` +
      wherein(object, BigInt(record.object_size), address));
  } else if (model.notListed?.guarded && area === "vmalloc") {
    say("object", `the records leave out ${model.notListed.guarded} guarded objects, one of which may be here`);
  }
}
