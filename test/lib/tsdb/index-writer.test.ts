// What Prometheus and Thanos wrote, written again from its content: the index byte for byte.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import type { Labels } from '../../../lib/labels/labels.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import { IndexWriter } from '../../../lib/tsdb/index-writer.ts'
import { goldenPath } from '../../support/golden.ts'

const folder = mkdtempSync(join(tmpdir(), 'mnemo-index-'))
afterAll(() => rmSync(folder, { recursive: true }))

const goldenIndexes = readdirSync(goldenPath(), { recursive: true, encoding: 'utf8' }).filter((name) =>
  name.endsWith('/index'),
)

describe('an index written again from its content is the same file', () => {
  test.each(
    goldenIndexes.flatMap((name) => [
      { name, how: 'in memory', limits: {} },
      { name, how: 'on disk', limits: { symbolsInMemory: 3, runTriples: 5, pieceRefs: 2, tableBytes: 50 } },
    ]),
  )('$name, $how', async ({ name, how, limits }) => {
    const want = readFileSync(goldenPath(name))
    const tables = how === 'in memory' ? {} : { spoolPath: join(folder, 'tables'), mostInMemoryBytes: 0 }
    const reader = await IndexReader.open(bufferRandomAccess(name, want), undefined, tables)
    const path = join(folder, 'index')
    const writer = await IndexWriter.create(path, reader.symbols, limits)
    for await (const { ref, labels, chunks } of reader.allSeries()) {
      expect(await writer.addSeries(labels, chunks)).toBe(ref)
    }
    expect(await writer.finish()).toBe(want.length)
    expect(readFileSync(path).equals(want)).toBe(true)
    expect(readdirSync(folder)).toEqual(['index'])
    reader.close()
  })
})

test('an index without series can be read', async () => {
  const writer = await IndexWriter.create(join(folder, 'empty'), ['', 'a'])
  await writer.finish()
  const reader = await IndexReader.open(bufferRandomAccess('empty', readFileSync(join(folder, 'empty'))))
  expect([...reader.symbols]).toEqual(['', 'a'])
  expect(await reader.allPostings()).toHaveLength(0)
  expect(await Array.fromAsync(reader.allSeries())).toEqual([])
})

describe('what must not be written is refused', () => {
  const chunk = { minTime: 0, maxTime: 10, ref: 8 }
  const a: Labels = ['a', '1']
  test.each<[string, [Labels, (typeof chunk)[]][]]>([
    [
      'a series out of order',
      [
        [['a', '2'], []],
        [a, []],
      ],
    ],
    [
      'a series twice',
      [
        [a, []],
        [a, []],
      ],
    ],
    ['an unknown symbol', [[['a', '3'], []]]],
    ['chunks that overlap', [[a, [chunk, { minTime: 10, maxTime: 20, ref: 20 }]]]],
    ['a chunk that ends before it begins', [[a, [{ minTime: 5, maxTime: 4, ref: 8 }]]]],
    [
      'a reference that goes back',
      [
        [
          a,
          [
            { ...chunk, ref: 100 },
            { minTime: 11, maxTime: 20, ref: 99 },
          ],
        ],
      ],
    ],
  ])('%s', async (_, series) => {
    const writer = await IndexWriter.create(join(folder, 'refused'), ['1', '2', 'a'])
    const write = async () => {
      for (const [labels, chunks] of series) await writer.addSeries(labels, chunks)
    }
    await expect(write()).rejects.toMatchObject({ code: 'internal' })
    await writer.abort()
  })

  test('symbols out of the order of bytes: U+FFFD is below U+10000', async () => {
    await expect(IndexWriter.create(join(folder, 'refused'), ['\u{10000}', '\ufffd'])).rejects.toMatchObject({
      code: 'internal',
    })
    const writer = await IndexWriter.create(join(folder, 'refused'), ['\ufffd', '\u{10000}'])
    await writer.abort()
  })
})
