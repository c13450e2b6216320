// The chunks of one series that several stores (or several blocks of one) gave: put in order, each kept once.
// The order is Thanos's (storepb AggrChunk.Compare): it decides which chunk opens the first lane of deduplication.
// Owns what "the same chunk" means: equal bytes over the same time.
import { Buffer } from 'node:buffer'
import type { AggrChunk, Chunk, StoreSeries } from './types.ts'
import { joinWireSeries } from './wire-series.ts'

const fields = ['raw', 'count', 'sum', 'min', 'max', 'counter'] as const

/** By min time, max time, then field by field: present before absent, type ascending, bytes descending. */
export function compareChunks(a: AggrChunk, b: AggrChunk): number {
  if (a.minTime !== b.minTime) return a.minTime - b.minTime
  if (a.maxTime !== b.maxTime) return a.maxTime - b.maxTime
  for (const field of fields) {
    const order = compareFields(a[field], b[field])
    if (order !== 0) return order
  }
  return 0
}

function compareFields(a: Chunk | undefined, b: Chunk | undefined): number {
  if (a === undefined || b === undefined) return Number(a === undefined) - Number(b === undefined)
  if (a.type !== b.type) return a.type - b.type
  return Buffer.compare(b.data, a.data)
}

/**
 * A series' chunks in order, without those of which each field was there before; the array itself where it is so already.
 * Chunks that do not overlap in time cannot be equal, so that the usual series costs one pass over its times.
 */
export function orderChunks(chunks: readonly AggrChunk[]): AggrChunk[] {
  if (followInTime(chunks)) return chunks as AggrChunk[]
  const sorted = [...chunks].sort(compareChunks)
  const kept: AggrChunk[] = []
  for (const chunk of sorted) if (!isDuplicate(chunk, kept)) kept.push(chunk)
  return kept
}

/** Series of equal labels as one: its chunks in order, each once. */
export function joinSeries(series: readonly StoreSeries[]): StoreSeries {
  const joined = joinWireSeries(series)
  if (joined) return joined
  const [first] = series
  const chunks = series.length === 1 ? first!.chunks : series.flatMap(({ chunks }) => chunks)
  return { labels: first!.labels, chunks: orderChunks(chunks) }
}

function followInTime(chunks: readonly AggrChunk[]): boolean {
  for (let i = 1; i < chunks.length; i++) if (chunks[i]!.minTime <= chunks[i - 1]!.maxTime) return false
  return true
}

/** Whether each of its fields is in one of the kept chunks over the same time (those at the end of `kept`). */
function isDuplicate(chunk: AggrChunk, kept: readonly AggrChunk[]): boolean {
  let from = kept.length
  while (from > 0 && sameTime(kept[from - 1]!, chunk)) from--
  if (from === kept.length) return false
  return fields.every((field) => {
    const wanted = chunk[field]
    if (wanted === undefined) return true
    for (let i = from; i < kept.length; i++) if (sameBytes(kept[i]![field], wanted)) return true
    return false
  })
}

function sameTime(a: AggrChunk, b: AggrChunk): boolean {
  return a.minTime === b.minTime && a.maxTime === b.maxTime
}

function sameBytes(a: Chunk | undefined, b: Chunk): boolean {
  if (a === undefined || a.type !== b.type || a.data.length !== b.data.length) return false
  return Buffer.compare(a.data, b.data) === 0
}
