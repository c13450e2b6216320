// A block's series as kernels read them, against the readers in TypeScript: the same entries, the same chunks, and where those refuse
// bytes the kernel stops. Subject: assembly/series-entry.ts, assembly/chunk-run.ts and assembly/series-input.ts.
import { expect, test } from 'vitest'
import { Cursor } from '../../../lib/bytes/cursor.ts'
import { EncodeBuffer } from '../../../lib/bytes/encode-buffer.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { highWord } from '../../../lib/bytes/varint.ts'
import { joinAggregates } from '../../../lib/chunkenc/aggregate.ts'
import { chunkEncoding, sampleCount } from '../../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { type KernelSeriesInput, numbersInPage, type Step, step } from '../../../lib/kernels/series-input.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { encodeChunkRecord, encodeSegmentHeader } from '../../../lib/tsdb/chunk-format.ts'
import { ChunkReader } from '../../../lib/tsdb/chunk-reader.ts'
import {
  type ChunkMeta,
  decodeSeriesRecord,
  encodeSeriesRecord,
  fillSeriesRecord,
  SeriesRecord,
} from '../../../lib/tsdb/series-entry.ts'
import { fuzz, fuzzTimeoutMs } from '../../support/fuzz.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
const random = new Random(seed)
const symbolCount = 100_000

interface Entry {
  readonly labelRefs: number[]
  readonly chunks: ChunkMeta[]
}

function randomEntry(most: number): Entry {
  const labelRefs = Array.from({ length: 2 * random.below(most) }, () => random.below(random.pick([50, symbolCount])))
  let time = random.pick([-4e15, -5, 0, 1.7e12])
  let ref = 8
  const chunks = Array.from({ length: random.below(most) }, () => {
    const minTime = time + random.below(random.pick([2, 1e4, 1e9]))
    const maxTime = minTime + random.below(random.pick([1, 1e6, 1e12]))
    ref += random.below(random.pick([600, 1e9]))
    time = maxTime + 1
    return { minTime, maxTime, ref }
  })
  return { labelRefs, chunks }
}

/** Entries as an index has them, the first at offset 0. */
function encode(entries: readonly Entry[]): Uint8Array {
  const out = new EncodeBuffer()
  const scratch = new EncodeBuffer()
  const record = new SeriesRecord()
  for (const entry of entries) {
    while (out.length % 16 !== 0) out.u8(0)
    fillSeriesRecord(record, entry)
    encodeSeriesRecord(record, out, scratch)
  }
  return out.copyBytes()
}

/** An input over a section that is at hand whole, at the end of its memory's use. */
function inputOver(section: Uint8Array, use: (input: KernelSeriesInput) => void): void {
  const input = kernels.seriesInput({
    minTime: Number.MIN_SAFE_INTEGER,
    maxTime: Number.MAX_SAFE_INTEGER,
    symbolCount,
    areAscending: true,
    deleted: new Uint32Array(),
  })
  const block = kernels.take(Math.max(1, section.length))
  try {
    kernels.u8(block.ptr, section.length).set(section)
    input.setEntryOffset(0)
    input.setEntries({ ptr: block.ptr, length: section.length, isLast: true })
    use(input)
  } finally {
    kernels.give(block)
    input.free()
  }
}

/** The next series whatever its order; what the kernel stops at otherwise. */
function advance(input: KernelSeriesInput) {
  input.leave()
  let reached = input.next()
  for (; reached === step.large || reached === step.unordered; reached = input.next())
    if (reached === step.large) input.grow()
    else input.acceptOrder()
  return reached
}

function entryOf(input: KernelSeriesInput): Entry & { readonly ref: number } {
  const { minTimes, maxTimes, chunkRefs } = input.chunkMetas
  const chunks = Array.from(chunkRefs, (ref, i) => ({ minTime: minTimes[i]!, maxTime: maxTimes[i]!, ref }))
  return { ref: input.ref, labelRefs: [...input.symbols], chunks }
}

test(`entries are what was encoded, of any number of labels and chunks (SEED=${seed})`, () => {
  for (const most of [3, 20, 2000]) {
    const entries = Array.from({ length: 50 }, () => randomEntry(most))
    inputOver(encode(entries), (input) => {
      for (const entry of entries) {
        expect(advance(input)).toBe(step.done)
        expect(entryOf(input)).toMatchObject(entry)
      }
      expect([advance(input), advance(input)]).toEqual([step.end, step.end])
    })
  }
})

test('wherever the bytes at hand end the kernel asks for more, and goes on with it', () => {
  const entries = Array.from({ length: 4 }, () => randomEntry(5))
  const section = encode(entries)
  const block = kernels.take(section.length)
  kernels.u8(block.ptr, section.length).set(section)
  for (let cut = 0; cut <= section.length; cut++)
    inputOver(new Uint8Array(), (input) => {
      input.setEntries({ ptr: block.ptr, length: cut, isLast: false })
      const got: Entry[] = []
      let reached = advance(input)
      for (; reached !== step.end; reached = advance(input)) {
        if (reached === step.done) got.push(entryOf(input))
        else {
          expect(reached).toBe(step.entries)
          const { entryOffset, wanted } = input
          expect(entryOffset + wanted, `cut at ${cut}`).toBeGreaterThan(cut)
          input.setEntries({ ptr: block.ptr + entryOffset, length: section.length - entryOffset, isLast: true })
        }
      }
      expect(got).toMatchObject(entries)
    })
  kernels.give(block)
})

test(`mutants: what the reader in TypeScript takes, the kernel takes, and else it stops (SEED=${seed})`, {
  timeout: fuzzTimeoutMs,
}, async () => {
  const inputs = Array.from({ length: 20 }, () => {
    const bytes = encode([randomEntry(6)])
    const lengthBytes = bytes.findIndex((byte) => byte < 0x80) + 1
    return { bytes, frames: [[lengthBytes, bytes.length - 4] as const] }
  })
  let taken = 0
  await fuzz('series entry', inputs, (bytes) => {
    const record = new SeriesRecord()
    let want: Entry | undefined
    try {
      decodeSeriesRecord(new Cursor(bytes, { file: 'f', section: 'series', offset: 0 }), record)
      const { labelCount, labelRefs, chunkCount, minTimes, maxTimes, chunkRefs } = record
      const chunks = Array.from({ length: chunkCount }, (_, i) => {
        return { minTime: minTimes[i]!, maxTime: maxTimes[i]!, ref: chunkRefs[i]! }
      })
      want = { labelRefs: [...labelRefs.subarray(0, 2 * labelCount)], chunks }
    } catch (error) {
      if (!(error instanceof MnemoError)) throw error
    }
    if (want?.labelRefs.some((ref) => ref >= symbolCount)) want = undefined
    inputOver(bytes, (input) => {
      const reached = advance(input)
      const got = reached === step.done ? entryOf(input) : undefined
      if (want === undefined) expect([step.strange, step.end]).toContain(reached)
      else expect(got).toMatchObject(want)
      if (want !== undefined) taken++
    })
  })
  expect(taken).toBeGreaterThan(0)
})

test('numbers of the merged list are looked up page by page, though one page alone is at hand', () => {
  const entries = Array.from({ length: 20 }, () => randomEntry(30))
  const [table, page] = [kernels.take(100), kernels.take(4 * numbersInPage)]
  const pages = () => new Uint32Array(kernels.memory.buffer, table.ptr, Math.ceil(symbolCount / numbersInPage))
  pages().fill(0)
  inputOver(encode(entries), (input) => {
    input.setPages(table.ptr)
    for (const { labelRefs } of entries) {
      let reached: Step = advance(input)
      for (; reached === step.numbers; reached = input.next()) {
        pages().fill(0)
        pages()[input.wanted] = page.ptr
        const first = input.wanted * numbersInPage
        new Uint32Array(kernels.memory.buffer, page.ptr, numbersInPage).set(
          Uint32Array.from({ length: numbersInPage }, (_, i) => (first + i) * 7),
        )
      }
      expect(reached).toBe(step.done)
      expect([...input.numbers]).toEqual(labelRefs.map((ref) => ref * 7))
    }
  })
  for (const block of [table, page]) kernels.give(block)
})

// Chunks.

const part = { encoding: chunkEncoding.xor, data: Uint8Array.of(0, 7, 1, 2, 3) }
const encodings = [chunkEncoding.xor, chunkEncoding.histogram, chunkEncoding.xor2, chunkEncoding.floatHistogramSt]
const chunks = Array.from({ length: 40 }, (_, i) => {
  if (i % 10 === 3) return { encoding: chunkEncoding.aggregate, data: joinAggregates({ count: part, max: part }) }
  if (i % 10 === 4) return { encoding: chunkEncoding.aggregate, data: joinAggregates({ sum: part }) }
  const data = random.bytes(2 + random.below(i % 10 === 7 ? 40_000 : random.pick([10, 300])))
  return { encoding: random.pick(encodings), data }
})
const refs: number[] = []
const segment = (() => {
  const out = new EncodeBuffer()
  encodeSegmentHeader(out)
  for (const chunk of chunks) {
    refs.push(out.length)
    encodeChunkRecord(chunk, out)
  }
  refs.push(out.length)
  return out.copyBytes()
})()

/** An input that stands at a series of the chunks of these references, with bytes of the segment at hand. */
function inputAt(chunkRefs: readonly number[], bytes: Uint8Array, use: (input: KernelSeriesInput) => void, start = 0) {
  const metas = chunkRefs.map((ref, i) => ({ minTime: i * 10, maxTime: i * 10 + 9, ref }))
  const block = kernels.take(Math.max(1, bytes.length))
  kernels.u8(block.ptr, bytes.length).set(bytes)
  inputOver(encode([{ labelRefs: [1, 2], chunks: metas }]), (input) => {
    advance(input)
    input.setChunks({ ptr: block.ptr, length: bytes.length, ref: start })
    use(input)
  })
  kernels.give(block)
}

test('runs are what single reads are', async () => {
  const reader = await ChunkReader.over([bufferRandomAccess('000001', segment)], undefined, { copyable: true })
  for (let n = 0; n < 15; n++) {
    const from = random.below(chunks.length)
    const count = 1 + random.below(chunks.length - from)
    const wanted = refs.slice(from, from + count)
    const read = await reader.read(wanted)
    inputAt(wanted, segment, (input) => {
      expect(input.findChunks()).toBe(step.done)
      expect(input.chunksAreWhole()).toBe(true)
      const { starts, dataStarts, sampleCounts } = input.found
      const got = read.map((_, i) => ({
        encoding: kernels.u8(dataStarts[i]! - 1, 1)[0],
        data: kernels.u8(dataStarts[i]!, starts[i + 1]! - 4 - dataStarts[i]!),
        record: kernels.u8(starts[i]!, starts[i + 1]! - starts[i]!),
      }))
      expect(got).toEqual(read)
      expect([...sampleCounts]).toEqual(read.map(({ encoding, data }) => sampleCount(encoding, data)))
    })
  }
})

test('cut bytes are asked for; references of another segment or apart are none of a run', () => {
  const found = (chunkRefs: readonly number[], bytes = segment, start = 0) => {
    let reached: number | undefined
    inputAt(chunkRefs, bytes, (input) => (reached = input.findChunks()), start)
    return reached
  }
  const five = refs.slice(3, 8)
  expect(found(five, segment.subarray(0, refs[8]))).toBe(step.done)
  for (const end of [refs[8]! - 1, refs[3]! + 2, refs[3]!, 0])
    expect(found(five, segment.subarray(0, end))).toBe(step.chunks)
  expect(found(five, segment.subarray(refs[4]), refs[4])).toBe(step.chunks)
  expect(found(five, segment.subarray(refs[3]), refs[3])).toBe(step.done)
  expect(found(five, segment, highWord)).toBe(step.chunks)
  expect(found([refs[1]!, refs[3]!])).toBe(step.other)
  expect(found([refs[1]!, refs[2]! + highWord])).toBe(step.other)
  expect(found([])).toBe(step.other)
})

test(`any damage is seen (SEED=${seed})`, () => {
  const six = refs.slice(0, 6)
  for (let at = refs[0]!; at < refs[6]!; at += 1 + random.below(at < refs[1]! ? 1 : 97)) {
    const damaged = segment.slice(0, refs[6])
    damaged[at]! ^= 1 << random.below(8)
    inputAt(six, damaged, (input) => {
      const isTaken = input.findChunks() === step.done && input.chunksAreWhole()
      expect(isTaken, `byte ${at}`).toBe(false)
    })
  }
})

test('series of which something was deleted, and chunks outside of the block, are read by TypeScript', () => {
  const section = encode(
    [0, 1, 2].map((i) => ({ labelRefs: [1, i], chunks: [{ minTime: 10 * i, maxTime: 10 * i + 9, ref: refs[i]! }] })),
  )
  const input = kernels.seriesInput({
    minTime: 0,
    maxTime: 29,
    symbolCount,
    areAscending: true,
    // The second of those, and references of no series.
    deleted: Uint32Array.of(1, 77),
  })
  const block = kernels.take(section.length + segment.length)
  kernels.u8(block.ptr, section.length).set(section)
  kernels.u8(block.ptr + section.length, segment.length).set(segment)
  input.setEntryOffset(0)
  input.setEntries({ ptr: block.ptr, length: section.length, isLast: true })
  input.setChunks({ ptr: block.ptr + section.length, length: segment.length, ref: 0 })
  const reached: number[] = []
  while (advance(input) === step.done) reached.push(input.ref, input.findChunks())
  expect(reached).toEqual([0, step.done, 1, step.other, 2, step.other])
  kernels.give(block)
  input.free()
})
