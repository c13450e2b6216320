// Reads the chunks of a Series message (AggrChunk, Chunk) as objects; their data are views on the frame.
// Specification: proto/store.proto. Owns the fields' names and numbers.
import { ProtoReader } from './proto-reader.ts'
import type { AggrChunk, Chunk } from './types.ts'

export const aggregateNames = ['raw', 'count', 'sum', 'min', 'max', 'counter'] as const
/** AggrChunk's field number of raw; the others follow. */
export const rawField = 3
/** Tag of a Series message's chunks. */
export const chunkTag = 0x12

const noBytes = new Uint8Array(0)

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** The chunks in bytes [start, end) of a frame, which are such fields back to back. Throws `corrupt`. */
export function readAggrChunks(frame: Uint8Array, start: number, end: number): AggrChunk[] {
  const reader = new ProtoReader('SeriesResponse', frame)
  reader.position = start
  reader.end = end
  const chunks: AggrChunk[] = []
  reader.fields((tag) => {
    if (tag === chunkTag) chunks.push(readAggrChunk(reader))
    else reader.skip(tag)
  })
  return chunks
}

/** The AggrChunk message at the reader's position. Throws `corrupt`. */
export function readAggrChunk(reader: ProtoReader): AggrChunk {
  const outer = reader.enter()
  const chunk: Mutable<AggrChunk> = { minTime: 0, maxTime: 0 }
  while (reader.more) {
    const tag = reader.tag()
    const aggregate = (tag & 7) === 2 ? aggregateNames[(tag >>> 3) - rawField] : undefined
    if (aggregate) chunk[aggregate] = readChunk(reader)
    else if (tag === 0x08) chunk.minTime = reader.int64()
    else if (tag === 0x10) chunk.maxTime = reader.int64()
    else reader.skip(tag)
  }
  reader.leave(outer)
  return chunk
}

function readChunk(reader: ProtoReader): Chunk {
  const outer = reader.enter()
  let type = 0
  let data: Uint8Array = noBytes
  let hash = 0n
  while (reader.more) {
    const tag = reader.tag()
    if (tag === 0x08) type = reader.uint32()
    else if (tag === 0x12) data = reader.borrowBytes()
    else if (tag === 0x18) hash = reader.uint64()
    else reader.skip(tag)
  }
  reader.leave(outer)
  return { type, data, hash }
}
