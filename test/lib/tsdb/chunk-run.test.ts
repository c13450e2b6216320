// Chunks that lie one behind the other, taken in a window: what is taken is what the reader of single chunks reads, and a run
// copied into another segment is the same bytes; whatever is cut, apart or damaged is not taken.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ForwardWindow } from '../../../lib/bytes/forward-window.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { highWord } from '../../../lib/bytes/varint.ts'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { ChunkReader } from '../../../lib/tsdb/chunk-reader.ts'
import { ChunkRun } from '../../../lib/tsdb/chunk-run.ts'
import { ChunkWriter } from '../../../lib/tsdb/chunk-writer.ts'
import { Random, seed } from '../../support/random.ts'

const root = mkdtempSync(path.join(tmpdir(), 'mnemo-chunk-run-'))
afterAll(() => rmSync(root, { recursive: true }))

const kernels = createKernels()
const random = new Random(seed)
const encodings = [chunkEncoding.xor, chunkEncoding.histogram, chunkEncoding.xor2, chunkEncoding.floatHistogramSt]
/** All of them fit the buffer of a file that is written: copyNow() waits for none. */
const chunks = Array.from({ length: 40 }, (_, i) => ({
  encoding: random.pick(encodings),
  data: random.bytes(2 + random.below(i % 10 === 7 ? 40_000 : random.pick([10, 300]))),
}))
let refs: Float64Array
let segment: Buffer

beforeAll(async () => {
  const writer = await ChunkWriter.create(path.join(root, 'whole'))
  refs = Float64Array.from(await writer.write(chunks))
  await writer.finish()
  segment = readFileSync(path.join(root, 'whole', '000001'))
})

async function windowAt(offset: number, bytes: Uint8Array = segment): Promise<ForwardWindow> {
  const window = new ForwardWindow(bufferRandomAccess('000001', bytes))
  await window.moveTo(offset, 0)
  return window
}

/** As readers take a run: found, and its checksums verified. */
const take = async (from: number, count: number, bytes?: Uint8Array) => {
  const run = new ChunkRun(kernels)
  const outcome = run.find((await windowAt(refs[from]!, bytes)).atHand, refs.subarray(from), count)
  return outcome === 'found' && !run.isWhole() ? 'damaged' : outcome
}

test(`runs are what single reads are (SEED=${seed})`, async () => {
  const window = await windowAt(0)
  const reader = await ChunkReader.over([bufferRandomAccess('000001', segment)], undefined, { copyable: true })
  const run = new ChunkRun(kernels)
  for (let n = 0; n < 15; n++) {
    const from = random.below(refs.length)
    const count = 1 + random.below(refs.length - from)
    expect(run.find(window.atHand, refs.subarray(from), count)).toBe('found')
    expect(run.isWhole()).toBe(true)
    const read = await reader.read(refs.subarray(from, from + count))
    const got = Array.from({ length: count }, (_, i) => run.borrowChunk(i))
    expect(got.map(({ encoding, data, record }) => ({ encoding, data, record }))).toEqual(read)
    expect(run.byteLength).toBe(read.reduce((sum, { record }) => sum + record!.length, 0))
  }
})

test('copied runs are the bytes that were written; where a segment may be cut nothing is copied', async () => {
  const window = await windowAt(0)
  const run = new ChunkRun(kernels)
  const copied = new Float64Array(refs.length)
  const writer = await ChunkWriter.create(path.join(root, 'copied'))
  run.find(window.atHand, refs, 10)
  expect(writer.copyNow([run], copied)).toBe(false) // no segment yet
  await writer.write(chunks.slice(0, 10))
  const [second, third] = [new ChunkRun(kernels), new ChunkRun(kernels)]
  second.find(window.atHand, refs.subarray(10), 5)
  third.find(window.atHand, refs.subarray(15), refs.length - 15)
  expect(writer.copyNow([second, third], copied)).toBe(true)
  expect(copied.subarray(0, refs.length - 10)).toEqual(refs.subarray(10))
  await writer.finish()
  expect(readFileSync(path.join(root, 'copied', '000001')).equals(segment)).toBe(true)

  const small = await ChunkWriter.create(path.join(root, 'small'), { segmentBytes: segment.length / 2 })
  await small.write(chunks.slice(0, 1))
  run.find(window.atHand, refs, refs.length)
  expect(small.copyNow([run], copied)).toBe(false)
  await small.finish()
})

test('not whole: cut bytes, references of another segment or apart, any damage', async () => {
  expect(await take(3, 5, segment.subarray(0, refs[8]! - 1))).toBe('cut')
  expect(await take(3, 5, segment.subarray(0, refs[8]!))).toBe('found')
  const window = await windowAt(refs[4]!)
  expect(new ChunkRun(kernels).find(window.atHand, refs.subarray(3), 2)).toBe('cut')
  const whole = await windowAt(0)
  const apart = [Float64Array.of(refs[1]!, refs[3]!), Float64Array.of(refs[1]!, refs[2]! + highWord)]
  for (const other of apart) expect(new ChunkRun(kernels).find(whole.atHand, other, 2)).toBe('other')
  for (let at = refs[0]!; at < refs[6]!; at += 1 + random.below(at < refs[1]! ? 1 : 97)) {
    const damaged = Buffer.from(segment.subarray(0, refs[6]!))
    damaged[at]! ^= 1 << random.below(8)
    expect(await take(0, 6, damaged), `SEED=${seed}, byte ${at}`).not.toBe('found')
  }
})
