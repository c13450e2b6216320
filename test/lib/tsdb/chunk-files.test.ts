// Chunk segments: cuts where Prometheus cuts, reads that are planned together, chunks of every size.
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { RandomAccess } from '../../../lib/bytes/random-access.ts'
import { chunkPosition, chunkRef } from '../../../lib/tsdb/chunk-format.ts'
import { ChunkReader, openSegments, planChunkReads } from '../../../lib/tsdb/chunk-reader.ts'
import { ChunkWriter } from '../../../lib/tsdb/chunk-writer.ts'

const root = mkdtempSync(join(tmpdir(), 'mnemo-chunks-'))
afterAll(() => rmSync(root, { recursive: true }))

function chunkOf(bytes: number) {
  return { encoding: 1, data: new Uint8Array(bytes).map((_, i) => (i * 7 + bytes) & 0xff) }
}

test.each([
  [0, 8],
  [1, 8],
  [2 ** 21 - 1, 2 ** 32 - 1],
])('reference of segment %d, offset %d', (segment, offset) => {
  expect(chunkPosition(chunkRef({ segment, offset }))).toEqual({ segment, offset })
})

test('a reference beyond 53 bits is refused', () => {
  expect(() => chunkRef({ segment: 2 ** 21, offset: 8 })).toThrow(expect.objectContaining({ code: 'internal' }))
})

describe('segments', () => {
  /** Sizes of data by series; a segment of 100 bytes holds 8 + chunks, each counted with 10 bytes more. */
  test.each<[string, number[][], string[][]]>([
    ['one series that fits', [[20, 20, 20]], [['20', '20', '20']]],
    ['a cut inside a series', [[40, 40, 40]], [['40'], ['40'], ['40']]],
    ['a cut between series', [[30], [30], [30]], [['30', '30'], ['30']]],
    ['a chunk larger than a segment', [[10], [300], [10]], [['10'], ['300'], ['10']]],
    ['a first chunk larger than a segment', [[300, 10]], [['300'], ['10']]],
    ['a series without chunks', [[], [10]], [['10']]],
    ['no chunk at all', [], []],
  ])('%s', async (name, series, want) => {
    const folder = join(root, name)
    const writer = await ChunkWriter.create(folder, { segmentBytes: 100 })
    const refs: number[] = []
    const sizes = series.flat()
    for (const chunks of series) refs.push(...(await writer.write(chunks.map(chunkOf))))
    const written = await writer.finish()
    const got: string[][] = want.map(() => [])
    for (const [i, ref] of refs.entries()) got[chunkPosition(ref).segment]!.push(String(sizes[i]))
    expect(got).toEqual(want)
    expect(readdirSync(folder)).toEqual(written.map(({ name }) => name))
    for (const file of written) expect(statSync(join(folder, file.name)).size).toBe(file.sizeBytes)
    const segments = await openSegments(folder)
    const reader = await ChunkReader.over(segments)
    expect(await reader.read(refs)).toEqual(sizes.map(chunkOf))
    for (const segment of segments) await segment.close()
  })

  test('a missing segment is corrupt', async () => {
    const folder = join(root, 'missing')
    const writer = await ChunkWriter.create(folder, { segmentBytes: 100 })
    await writer.write([50, 50].map(chunkOf))
    await writer.finish()
    rmSync(join(folder, '000001'))
    await expect(openSegments(folder)).rejects.toMatchObject({ code: 'corrupt' })
  })
})

describe('reads', () => {
  test('neighbours are read together, far ones and other segments apart', () => {
    const far = 10_000_000
    const plan = planChunkReads([far, 8, 1008, 2 ** 32 + 8], [far + 10, 9000])
    expect(plan).toEqual([
      { segment: 0, start: 8, end: 1008 + 4096, chunks: [1, 2] },
      { segment: 0, start: far, end: far + 10, chunks: [0] },
      { segment: 1, start: 8, end: 8 + 4096, chunks: [3] },
    ])
  })

  test('any order, twice the same, chunks larger than the guess', async () => {
    const folder = join(root, 'reads')
    const sizes = [0, 1, 5000, 127, 128, 100_000, 3, 16_384]
    const writer = await ChunkWriter.create(folder)
    const refs = await writer.write(sizes.map(chunkOf))
    await writer.finish()
    const segments = await openSegments(folder)
    let reads = 0
    const counted = segments.map<RandomAccess>((segment) => ({
      ...segment,
      read: (...range) => {
        reads++
        return segment.read(...range)
      },
    }))
    const reader = await ChunkReader.over(counted)
    const order = [7, 0, 5, 5, 1, 2, 6, 3, 4]
    reads = 0
    expect(await reader.read(order.map((i) => refs[i]!))).toEqual(order.map((i) => chunkOf(sizes[i]!)))
    // Two groups, then the ends that the guess did not reach: the largest chunk's, twice, and the last one's.
    expect(reads).toBe(5)
    for (const bad of [0, 7, 2 ** 32 + 8, 2 ** 31, refs[1]! + 1]) {
      await expect(reader.read([bad]), `reference ${bad}`).rejects.toMatchObject({ code: 'corrupt' })
    }
    for (const segment of segments) await segment.close()
  })
})
