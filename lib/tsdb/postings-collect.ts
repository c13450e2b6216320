// Makes postings lists from the series of an index being written: some label names at a time, one pass over the entries each.
// As Prometheus does it, so that memory is bounded by the lists of one pass.
// Owns the plan of passes and the sorting of references by value.
import { Cursor } from '../bytes/cursor.ts'
import type { FileWriter } from '../bytes/file-writer.ts'
import { GrowingUint32 } from './growing-uint32.ts'
import { seriesAlignment } from './index-format.ts'
import { seriesEntryLength } from './series-entry.ts'

/** A pass collects at least this many references (eight bytes each); more where one name alone has more. */
const passReferences = 4 * 1024 * 1024
const windowBytes = 1024 * 1024

/** All lists of one label name: value i's references are seriesRefs[starts[i], starts[i + 1]). */
export interface NamePostings {
  readonly nameRef: number
  /** Symbols of the values, ascending. */
  readonly valueRefs: Uint32Array
  /** One more than values. */
  readonly starts: Uint32Array
  readonly seriesRefs: Uint32Array
}

/** Uses of each name (by symbol, ascending), cut into passes. */
export function planPostingsPasses(
  nameUses: ReadonlyMap<number, number>,
  seriesCount: number,
): ReadonlyMap<number, number>[] {
  const limit = Math.max(passReferences, seriesCount)
  const passes: Map<number, number>[] = []
  let room = 0
  for (const [ref, uses] of [...nameUses].sort(([a], [b]) => a - b)) {
    if (uses > room || passes.length === 0) {
      passes.push(new Map())
      room = limit
    }
    passes.at(-1)?.set(ref, uses)
    room -= uses
  }
  return passes
}

/** One name's labels in the order of series. */
interface Collected {
  length: number
  readonly valueRefs: Uint32Array
  readonly seriesRefs: Uint32Array
}

/** One pass over the series entries in [start, end) of the file: the lists of the names in `uses`, by name. */
export async function collectPostings(
  file: FileWriter,
  section: { readonly start: number; readonly end: number },
  pass: { readonly uses: ReadonlyMap<number, number>; readonly symbolCount: number },
): Promise<NamePostings[]> {
  const collected = new Map<number, Collected>()
  for (const [ref, uses] of pass.uses) {
    collected.set(ref, { length: 0, valueRefs: new Uint32Array(uses), seriesRefs: new Uint32Array(uses) })
  }
  let window = windowBytes
  for (let at = alignSeries(section.start); at < section.end; ) {
    const bytes = await file.read(at, Math.min(window, section.end - at))
    const cursor = new Cursor(bytes, { file: file.path, section: 'series', offset: at })
    const moved = collectWindow(cursor, collected)
    // An entry larger than the window.
    if (moved === 0) window *= 2
    at += moved
  }
  const counts = new Uint32Array(pass.symbolCount)
  return [...collected].map(([nameRef, labels]) => sortByValue(nameRef, labels, counts))
}

function alignSeries(offset: number): number {
  return Math.ceil(offset / seriesAlignment) * seriesAlignment
}

/** Takes the labels of all entries that lie in the window whole; returns how far it came, padding included. */
function collectWindow(cursor: Cursor, into: ReadonlyMap<number, Collected>): number {
  let moved = 0
  while (moved < cursor.end) {
    cursor.position = moved
    const length = seriesEntryLength(cursor)
    if (length === undefined || length > cursor.remaining) break
    const ref = (cursor.place.offset + moved) / seriesAlignment
    cursor.uvarint32()
    for (let labels = cursor.uvarint32(); labels > 0; labels--) {
      const collected = into.get(cursor.uvarint32())
      const valueRef = cursor.uvarint32()
      if (collected === undefined) continue
      collected.valueRefs[collected.length] = valueRef
      collected.seriesRefs[collected.length++] = ref
    }
    moved = alignSeries(moved + length)
  }
  return moved
}

/** A counting sort by value: stable, so that references stay ascending. `counts` is all zero, before and after. */
function sortByValue(nameRef: number, labels: Collected, counts: Uint32Array): NamePostings {
  const distinct = new GrowingUint32()
  for (const valueRef of labels.valueRefs) if (counts[valueRef]!++ === 0) distinct.push(valueRef)
  const valueRefs = distinct.finish().sort()
  const starts = new Uint32Array(valueRefs.length + 1)
  for (let i = 0; i < valueRefs.length; i++) {
    const valueRef = valueRefs[i]!
    starts[i + 1] = starts[i]! + counts[valueRef]!
    counts[valueRef] = starts[i]!
  }
  const seriesRefs = new Uint32Array(labels.seriesRefs.length)
  for (let i = 0; i < seriesRefs.length; i++) seriesRefs[counts[labels.valueRefs[i]!]!++] = labels.seriesRefs[i]!
  for (const valueRef of valueRefs) counts[valueRef] = 0
  return { nameRef, valueRefs, starts, seriesRefs }
}
