// Damaged blocks: whatever byte is wrong, reading all of the block ends in a typed error and never in another answer.
// Here bytes are flipped, which checksums catch; damage behind right checksums is what fuzz.test.ts makes.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { ChunkReader } from '../../../lib/tsdb/chunk-reader.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import { goldenBlock } from '../../support/golden.ts'
import { Random, seed } from '../../support/random.ts'

const block = goldenBlock('blocks/floats')
const index = readFileSync(join(block.folder, 'index'))
const segment = readFileSync(join(block.folder, 'chunks', '000001'))

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

test(`one byte of an index flipped (SEED=${seed}): an error, or where the byte is padding, the same answer`, async () => {
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
    const random = new Random(seed)
    const places = [...Array(300).keys(), ...Array.from({ length: 200 }, () => random.below(segment.length))]
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
