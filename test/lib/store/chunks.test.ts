// Chunks as byte ranges of a segment: what is read, what is read again, what is refused.
// Subject: lib/store/chunks.ts over a segment made here. Owns nothing.
import { beforeEach, expect, test } from 'vitest'
import { EncodeBuffer } from '../../../lib/bytes/encode-buffer.ts'
import { Gate } from '../../../lib/kit/gate.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { ChunkPlaces } from '../../../lib/store/chunk-places.ts'
import { fetchChunks } from '../../../lib/store/chunks.ts'
import { newReadStats } from '../../../lib/store/read-stats.ts'
import { chunkRef, encodeChunkRecord, encodeSegmentHeader } from '../../../lib/tsdb/chunk-format.ts'
import { CountingBucket } from '../../support/counting-bucket.ts'

/** Chunks that one series has, of which those at times `from` to `to` are wanted. */
interface Wanted {
  readonly chunks: readonly ChunkPlace[]
  readonly from: number
  readonly to: number
}

interface ChunkPlace {
  readonly segment: number
  readonly offset: number
  readonly time: number
}

const signal = new AbortController().signal
const sizes = [100, 200, 40_000, 300, 100_000, 150, 50_000]

let bucket: CountingBucket
let places: ChunkPlace[]
let bytes: Buffer

beforeEach(async () => {
  bucket = new CountingBucket(new MemoryBucket())
  const out = new EncodeBuffer()
  encodeSegmentHeader(out)
  const offsets = sizes.map((size, i) => {
    const offset = out.length
    encodeChunkRecord({ encoding: i === 1 ? 4 : 1, data: new Uint8Array(size).fill(i) }, out)
    return offset
  })
  bytes = Buffer.from(out.borrowBytes())
  await bucket.upload('b/chunks/000001', bytes)
  places = offsets.map((offset, time) => ({ segment: 0, offset, time }))
})

/** Chunk i, its size known because the series goes on with chunk i + 1. */
function known(i: number): Wanted {
  return { chunks: places.slice(i, i + 2), from: i, to: i }
}

/** All chunks of a series. */
function series(...chunks: ChunkPlace[]): Wanted {
  return { chunks, from: -Infinity, to: Infinity }
}

async function read(wanted: readonly Wanted[], chunkMaxBytes?: number) {
  const stats = newReadStats().chunks
  const files = {
    bucket,
    gate: new Gate({ maxRunning: 4, maxBytes: 1 << 20 }),
    nameOf: (segment: number) => `b/chunks/00000${segment + 1}`,
    chunkMaxBytes,
  }
  const columns = new ChunkPlaces(1)
  for (const { chunks, from, to } of wanted) {
    const numbers = chunks.flatMap(({ time, ...position }) => [time, time, chunkRef(position)])
    columns.add(Float64Array.from(numbers), { minTime: from, maxTime: to }, chunkMaxBytes)
  }
  const fetched = await fetchChunks(files, columns, stats, signal)
  const chunks = fetched.decode(0, columns.length, [])
  return { chunks: chunks.map(({ minTime, raw }) => [minTime, raw!.type, raw!.data.length]), raw: chunks, stats }
}

function reads(): number[][] {
  return bucket.reads.map(({ offset, length }) => [offset, length])
}

test('a chunk of known size is read to the byte', async () => {
  const { chunks, stats } = await read([known(1)])
  expect(chunks).toEqual([[1, 3, 200]])
  expect(reads()).toEqual([[places[1]!.offset, places[2]!.offset - places[1]!.offset]])
  expect(stats).toMatchObject({ reads: 1, refetches: 0, touched: 1, touchedBytes: stats.fetchedBytes })
})

test('the answer has the order of the question', async () => {
  const { chunks } = await read([known(3), known(0), known(1)])
  expect(chunks.map(([time]) => time)).toEqual([3, 0, 1])
})

test('a last chunk that is longer than assumed is read again, to the byte', async () => {
  const { chunks, stats } = await read([series(places[4]!)])
  expect(chunks).toEqual([[4, 0, 100_000]])
  expect(reads()).toEqual([
    [places[4]!.offset, 16 << 10],
    [places[4]!.offset, places[5]!.offset - places[4]!.offset],
  ])
  expect(stats.refetches).toBe(1)
})

test('where the meta tells the largest chunk, that much is assumed', async () => {
  const { stats } = await read([series(places[4]!)], 120_000)
  expect(stats).toMatchObject({ reads: 1, refetches: 0 })
})

test('the last chunk of a series is assumed to be no more than twice its largest other one', async () => {
  await read([series(places[0]!, places[1]!)])
  const [first] = bucket.reads
  expect(first!.length).toBeLessThan(100 + 2 * 110 + 10)
})

test('an assumed size ends at the next wanted chunk', async () => {
  const { stats } = await read([series(places[0]!), series(places[1]!)])
  expect(stats.refetches).toBe(0)
  expect(reads()).toEqual([[places[0]!.offset, places[1]!.offset - places[0]!.offset + (16 << 10)]])
})

test('the last chunk of a file may be assumed to go beyond it', async () => {
  const { chunks, stats } = await read([series(places[6]!)], 1 << 20)
  expect(chunks).toEqual([[6, 0, 50_000]])
  expect(stats.refetches).toBe(0)
})

test('chunks out of a read that is mostly gap do not keep it alive', async () => {
  const near = await read([known(0), known(1)])
  expect(near.raw[0]!.raw!.data.buffer).toBe(near.raw[1]!.raw!.data.buffer)
  // A small gap, but large beside the two chunks.
  await bucket.upload(
    'b/chunks/000001',
    Buffer.concat([bytes.subarray(0, places[1]!.offset), Buffer.alloc(20_000), bytes.subarray(places[1]!.offset)]),
  )
  places = places.map((place, i) => (i > 0 ? { ...place, offset: place.offset + 20_000 } : place))
  const far = await read([
    { ...known(0), chunks: [places[0]!, { ...places[1]!, offset: places[1]!.offset - 20_000 }] },
    known(1),
  ])
  expect(far.stats.reads).toBe(1)
  // Their records alone, side by side: data, length, encoding and checksum.
  expect(far.raw.map(({ raw }) => raw!.data.buffer.byteLength)).toEqual([106 + 207, 106 + 207])
})

test('a file that ends in the middle of a chunk is corrupt, and named', async () => {
  await bucket.upload('b/chunks/000001', bytes.subarray(0, places[6]!.offset + 1000))
  await expect(read([series(places[6]!)])).rejects.toMatchObject({
    code: 'corrupt',
    message: expect.stringMatching(/b\/chunks\/000001 at offset \d+: got 1000 bytes, want a chunk of 50008/),
  })
  await bucket.upload('b/chunks/000001', bytes.subarray(0, places[6]!.offset + 2))
  await expect(read([series(places[6]!)])).rejects.toMatchObject({ code: 'corrupt' })
})

test('a chunk of an encoding that is none is corrupt', async () => {
  const out = new EncodeBuffer()
  encodeChunkRecord({ encoding: 9, data: new Uint8Array(10) }, out)
  await bucket.upload('b/chunks/000001', Buffer.from(out.borrowBytes()))
  await expect(read([series({ ...places[0]!, offset: 0 })])).rejects.toMatchObject({ code: 'corrupt' })
})

test('a segment that is not there is not found', async () => {
  await expect(read([series({ ...places[0]!, segment: 1 })])).rejects.toMatchObject({ code: 'not_found' })
})
