// The aggregate chunk of downsampled blocks: one chunk that holds a chunk for each aggregate.
//
//   ┌──────────────────── for each of count, sum, min, max, counter ────────────────────┐
//   │ length uvarint (0: absent, and nothing more) │ encoding u8 │ data[length]         │
//   └───────────────────────────────────────────────────────────────────────────────────┘
//
// Specification: Thanos pkg/compact/downsample/aggr.go. Owns the order of the slots.
import { Cursor } from '../bytes/cursor.ts'
import { EncodeBuffer } from '../bytes/encode-buffer.ts'

export const aggregates = ['count', 'sum', 'min', 'max', 'counter'] as const
export type Aggregate = (typeof aggregates)[number]

export interface AggregatePart {
  readonly encoding: number
  /** A view of the aggregate chunk, borrowed. */
  readonly data: Uint8Array
}

/** The parts of an aggregate chunk's bytes; absent aggregates are left out. Throws `corrupt`. */
export function splitAggregates(chunk: Uint8Array): Partial<Record<Aggregate, AggregatePart>> {
  const cursor = new Cursor(chunk, { file: 'aggregate chunk', section: 'slots', offset: 0 })
  const parts: Partial<Record<Aggregate, AggregatePart>> = {}
  for (const aggregate of aggregates) {
    const length = cursor.uvarint32()
    if (length === 0) continue
    const encoding = cursor.u8()
    const start = cursor.skip(length)
    parts[aggregate] = { encoding, data: chunk.subarray(start, start + length) }
  }
  return parts
}

/** An aggregate chunk's bytes of its parts, where there are any. The caller owns them. */
export function joinAggregates(parts: Partial<Record<Aggregate, AggregatePart>>): Uint8Array {
  const out = new EncodeBuffer(1024)
  for (const aggregate of aggregates) {
    const part = parts[aggregate]
    out.uvarint(part?.data.length ?? 0)
    if (part === undefined) continue
    out.u8(part.encoding)
    out.raw(part.data)
  }
  return out.copyBytes()
}
