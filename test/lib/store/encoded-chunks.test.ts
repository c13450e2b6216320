// Chunks written as wire fields by the kernel against the writer in TypeScript, byte for byte; what the kernel does not write, and
// records that are damaged, are left to it.
import { expect, test } from 'vitest'
import { EncodeBuffer } from '../../../lib/bytes/encode-buffer.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { Gate } from '../../../lib/kit/gate.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { ChunkPlaces } from '../../../lib/store/chunk-places.ts'
import { fetchChunks } from '../../../lib/store/chunks.ts'
import { newReadStats } from '../../../lib/store/read-stats.ts'
import { encodeSeries } from '../../../lib/storeapi/messages.ts'
import { noBoundMs } from '../../../lib/storeapi/types.ts'
import { encodeChunkRecord } from '../../../lib/tsdb/chunk-format.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
const columns = kernels.columns()
const signal = new AbortController().signal

/** A segment of random chunks with gaps between them; `damage` are the indices of chunks with a wrong byte. */
function randomSegment(random: Random, count: number, damage: ReadonlySet<number>) {
  const out = new EncodeBuffer(1024)
  const places = new ChunkPlaces(count)
  let time = random.pick([0, -5000, 1_700_000_000_000])
  for (let i = 0; i < count; i++) {
    if (random.chance(0.2)) out.raw(new Uint8Array(random.below(300)))
    columns.clear()
    const samples = 1 + random.below(random.chance(0.1) ? 400 : 30)
    const minTime = time
    for (let k = 0; k < samples; k++) {
      time += random.below(30_000)
      columns.push(time, random.float())
    }
    const offset = out.length
    const encoding = random.chance(0.02) ? 4 : 1
    encodeChunkRecord({ encoding, data: kernels.encodeXor(columns, 0, samples) }, out)
    if (damage.has(i)) out.borrowBytes(offset)[2 + random.below(out.length - offset - 2)]! ^= 1 << random.below(8)
    const maxTime = random.chance(0.02) ? noBoundMs : time
    places.offsets[i] = offset
    places.plannedBytes[i] = out.length - offset
    places.minTimes[i] = minTime
    places.maxTimes[i] = maxTime
    places.length = i + 1
    time += random.chance(0.05) ? 0 : 1
  }
  return { bytes: out.copyBytes(), places }
}

test(`fields of whole and damaged records (SEED=${seed})`, async () => {
  const random = new Random(seed)
  for (let round = 0; round < 150; round++) {
    const counts = Array.from({ length: 1 + random.below(8) }, () => random.below(6))
    const total = counts.reduce((sum, count) => sum + count, 0)
    const damage = new Set(random.chance(0.3) ? [random.below(total + 1)] : [])
    const { bytes, places } = randomSegment(random, total, damage)
    const bucket = new MemoryBucket()
    await bucket.upload('chunks', bytes)
    const gate = new Gate({ maxRunning: 4, maxBytes: 1 << 20 })
    const files = { bucket, gate, nameOf: () => 'chunks', chunkMaxBytes: undefined }
    const fetched = await fetchChunks(files, places, newReadStats().chunks, signal)
    const encoded = fetched.encode(0, counts)
    let from = 0
    for (const [i, fields] of encoded.entries()) {
      const to = from + counts[i]!
      const isDamaged = [...damage].some((at) => at >= from && at < to)
      if (isDamaged) {
        expect(fields).toBeUndefined()
        expect(() => fetched.decode(from, to, [])).toThrow(expect.objectContaining({ code: 'corrupt' }))
      } else if (fields) {
        const labels = ['a', 'b']
        const want = encodeSeries({ labels, chunks: fetched.decode(from, to, []) })
        expect(encodeSeries({ labels, parts: [fields] })).toEqual(want)
        const { minTime, maxTime } = fields
        expect([minTime, maxTime]).toEqual([places.minTimes[from], places.maxTimes[to - 1]])
      }
      from = to
    }
  }
})
