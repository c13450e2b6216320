// Damaged blocks: whatever byte is wrong, reading all of the block ends in a typed error and never in another answer.
// Two kinds of damage: bytes flipped (checksums catch it), and flipped with the checksums made right (caps and checks do).
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { crc32c } from '../../../lib/bytes/crc32c.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { ChunkReader } from '../../../lib/tsdb/chunk-reader.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import { goldenBlock } from '../../support/golden.ts'

const block = goldenBlock('blocks/floats')
const index = readFileSync(join(block.folder, 'index'))
const segment = readFileSync(join(block.folder, 'chunks', '000001'))

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000)
console.log(`corrupt-blocks: FUZZ_SEED=${seed}`)

/** A small generator of numbers in [0, n): mulberry32. */
function randomOf(start: number): (n: number) => number {
  let state = start
  return (n) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % n
  }
}

/** All that an index says, as text. */
async function readAll(bytes: Uint8Array): Promise<string> {
  const reader = await IndexReader.open(bufferRandomAccess('index', bytes))
  const parts: unknown[] = [[...reader.symbols], await Array.fromAsync(reader.allSeries())]
  parts.push([...(await reader.allPostings())])
  for (const name of reader.labelNames()) {
    for (const value of reader.labelValues(name)) parts.push([name, value, ...(await reader.postings(name, value))])
  }
  return JSON.stringify(parts)
}

/** 'corrupt' or 'unsupported', or the answer that was given. Anything else that is thrown fails the test. */
async function outcome(read: () => Promise<string>): Promise<string> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof MnemoError && (error.code === 'corrupt' || error.code === 'unsupported')) return error.code
    throw error
  }
}

test('one byte of an index flipped: an error, or where the byte is padding, the same answer', async () => {
  const want = await readAll(index)
  const unnoticed: number[] = []
  for (let at = seed % 3; at < index.length; at += 3) {
    const bytes = Buffer.from(index)
    bytes[at]! ^= 1 << (at % 8)
    const got = await outcome(() => readAll(bytes))
    if (got === 'corrupt' || got === 'unsupported') continue
    expect(got, `byte ${at}`).toBe(want)
    unnoticed.push(at)
  }
  for (const at of unnoticed) expect(index[at], `byte ${at}`).toBe(0)
})

test('an index cut at any length is corrupt', async () => {
  for (let length = 0; length < index.length; length += 11) {
    expect(await outcome(() => readAll(index.subarray(0, length)))).toBe('corrupt')
  }
})

/** Frames of an index whose checksum can be made right after damage: [start, end) of what it covers. */
async function checkedFrames(): Promise<[number, number][]> {
  const { toc, ...reader } = await IndexReader.open(bufferRandomAccess('index', index)).then(async (r) => ({
    toc: r.toc,
    all: await r.allPostings(),
  }))
  const frames: [number, number][] = [[index.length - 52, index.length - 4]]
  for (const table of [toc.symbols, toc.postingsTable, toc.postings]) {
    const start =
      Math.ceil(table / (table === toc.symbols || table === toc.postingsTable ? 1 : 4)) *
      (table === toc.postings ? 4 : 1)
    frames.push([start + 4, start + 4 + index.readUInt32BE(start)])
  }
  for (const ref of reader.all) {
    const at = ref * 16
    const first = index[at]!
    const lengthBytes = first < 128 ? 1 : 2
    const length = first < 128 ? first : (first & 0x7f) | (index[at + 1]! << 7)
    frames.push([at + lengthBytes, at + lengthBytes + length])
  }
  return frames
}

test('damage behind right checksums ends in a typed error or an answer, quickly', async () => {
  const random = randomOf(seed)
  const frames = await checkedFrames()
  for (let round = 0; round < 1000; round++) {
    const bytes = Buffer.from(index)
    const [start, end] = frames[random(frames.length)]!
    for (let flips = 1 + random(3); flips > 0; flips--) {
      bytes[start + random(end - start)] = [0, 0x7f, 0x80, 0xff, random(256)][random(5)]!
    }
    bytes.writeUInt32BE(crc32c(bytes.subarray(start, end)), end)
    const began = performance.now()
    await outcome(() => readAll(bytes))
    expect(performance.now() - began, `seed ${seed}, round ${round}`).toBeLessThan(2000)
  }
})

describe('segments', () => {
  async function readChunks(bytes: Uint8Array): Promise<string> {
    const reader = await IndexReader.open(bufferRandomAccess('index', index))
    const series = await Array.fromAsync(reader.allSeries())
    const chunks = await ChunkReader.over([bufferRandomAccess('000001', bytes)])
    const read = await chunks.read(series.flatMap(({ chunks }) => chunks.map(({ ref }) => ref)))
    return read.map(({ encoding, data }) => `${encoding}:${Buffer.from(data).toString('hex')}`).join()
  }

  test('a byte flipped is corrupt, the header’s padding aside', async () => {
    const want = await readChunks(segment)
    const random = randomOf(seed)
    const places = [...Array(300).keys(), ...Array.from({ length: 200 }, () => random(segment.length))]
    for (const at of places) {
      const bytes = Buffer.from(segment)
      bytes[at]! ^= 1 << (at % 8)
      const isPadding = at >= 5 && at < 8
      expect(await outcome(() => readChunks(bytes)), `byte ${at}`).toBe(isPadding ? want : 'corrupt')
    }
  })

  test('cut anywhere is corrupt', async () => {
    for (let length = 0; length < segment.length; length += 509) {
      expect(await outcome(() => readChunks(segment.subarray(0, length)))).toBe('corrupt')
    }
  })
})

describe('opening a block', () => {
  const root = mkdtempSync(join(tmpdir(), 'mnemo-corrupt-'))
  afterAll(() => rmSync(root, { recursive: true }))

  test.each([
    ['index', 'not_found'],
    ['chunks', 'not_found'],
    ['chunks/000001', 'opens'],
    ['tombstones', 'opens'],
  ])('without %s: %s', async (missing, want) => {
    const folder = join(root, missing.replace('/', '-'))
    cpSync(block.folder, folder, { recursive: true })
    rmSync(join(folder, missing), { recursive: true })
    const opened = BlockReader.open(folder)
    if (want === 'opens') await (await opened).close()
    else await expect(opened).rejects.toMatchObject({ code: want })
  })

  test('the error names file, offset and section', async () => {
    const folder = join(root, 'named')
    cpSync(block.folder, folder, { recursive: true })
    writeFileSync(join(folder, 'index'), index.fill(0xff, 20, 21))
    await expect(BlockReader.open(folder)).rejects.toThrow(
      /^cannot read symbols of .*\/named\/index at offset \d+: got/,
    )
  })
})
