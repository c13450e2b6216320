// Golden chunks of every encoding, mutated: samples or the typed error, never a crash, a hang or memory beyond what the bytes can fill.
import { expect, test } from 'vitest'
import { decodeFloatChunk, isFloatEncoding } from '../../../lib/chunkenc/decode-floats.ts'
import { decodeHistogramChunk } from '../../../lib/chunkenc/decode-histogram.ts'
import { dropIntervals } from '../../../lib/chunkenc/drop-intervals.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { goldenBlocks } from '../../support/golden.ts'
import { Random, seed } from '../../support/random.ts'

const perEncoding = Number(process.env.FUZZ_CHUNKS ?? 1700)
const kernels = createKernels()
const columns = kernels.columns()

/** Some chunks of each encoding that the golden blocks have. */
async function chunksByEncoding(): Promise<Map<number, Uint8Array[]>> {
  const found = new Map<number, Uint8Array[]>()
  for (const block of goldenBlocks()) {
    const reader = await BlockReader.open(block.folder)
    for await (const { chunks } of reader.index.allSeries())
      for (const { encoding, data } of await reader.chunks.read(chunks.map(({ ref }) => ref))) {
        const list = found.get(encoding) ?? []
        if (list.length < 40) found.set(encoding, [...list, data])
      }
    await reader.close()
  }
  return found
}

const chunks = await chunksByEncoding()

function mutate(random: Random, chunk: Uint8Array): Uint8Array {
  const bytes = random.chance(0.1) ? random.bytes(random.below(300)) : Uint8Array.from(chunk)
  const near = random.chance(0.5) ? 40 : bytes.length
  for (let i = 1 + random.below(5); i > 0 && bytes.length > 0; i--)
    bytes[random.below(Math.min(near, bytes.length))] = random.pick([0, 0xff, 0x80, random.below(256)])
  return random.chance(0.3) ? bytes.subarray(0, random.below(bytes.length + 1)) : bytes
}

/** Number of samples, each with all that it holds; undefined where the chunk was refused by a typed error. */
function decode(encoding: number, data: Uint8Array): number | undefined {
  try {
    if (!isFloatEncoding(encoding)) {
      const samples = decodeHistogramChunk(encoding, data)
      return samples.reduce((sum, { histogram: h }) => sum + h.positiveBuckets.length + h.negativeBuckets.length + 1, 0)
    }
    columns.clear()
    decodeFloatChunk(encoding, data, columns)
    return columns.length
  } catch (error) {
    if (error instanceof MnemoError && (error.code === 'corrupt' || error.code === 'unsupported')) return undefined
    throw error
  }
}

test('each encoding is there', () => expect([...chunks.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6]))

test.each([...chunks])(`encoding %i (SEED=${seed})`, (encoding, golden) => {
  const random = new Random(seed)
  let refused = 0
  for (let round = 0; round < perEncoding; round++) {
    const data = mutate(random, random.pick(golden))
    const held = decode(encoding, data)
    if (held === undefined) refused++
    // A sample and a bucket take a bit each at least; runs of stale markers four.
    else expect(held).toBeLessThanOrEqual(2 + data.length * 8)
    if (random.chance(0.1)) dropOrRefuse(encoding, data, random)
  }
  expect(refused).toBeGreaterThan(perEncoding / 20)
  expect(kernels.memory.buffer.byteLength).toBeLessThan(32 << 20)
})

function dropOrRefuse(encoding: number, data: Uint8Array, random: Random): void {
  const middle = 1_700_006_400_000 + random.below(7_200_000)
  const chunk = { minTime: 0, maxTime: 2e12, numSamples: 1, encoding, data }
  try {
    dropIntervals(chunk, [{ minTime: middle, maxTime: middle + 60_000 }], kernels)
  } catch (error) {
    if (!(error instanceof MnemoError && (error.code === 'corrupt' || error.code === 'unsupported'))) throw error
  }
}
