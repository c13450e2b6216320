// Blocks that Prometheus wrote, read as their dumps say: label sets, references, chunk times and bytes, tombstones.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../lib/bytes/crc32c.ts'
import { sampleCount } from '../../../lib/chunkenc/encoding.ts'
import { compareLabels } from '../../../lib/labels/labels.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { goldenBlocks, readDump } from '../../support/golden.ts'

describe.each(goldenBlocks())('$name', (block) => {
  const dump = readDump(block)

  test('series in one pass: labels, references, chunks', async () => {
    const reader = await BlockReader.open(block.folder)
    const series = await Array.fromAsync(reader.index.allSeries())
    await reader.close()
    const want = dump.map(({ labels, ref, chunks }) => ({
      ref,
      labels,
      chunks: chunks.map(({ minTime, maxTime, ref }) => ({ minTime, maxTime, ref })),
    }))
    expect(series).toEqual(want)
  })

  test('series one by one, through the postings of all', async () => {
    const reader = await BlockReader.open(block.folder)
    const refs = await reader.index.allPostings()
    expect([...refs]).toEqual(dump.map(({ ref }) => ref))
    for (const [i, ref] of refs.entries()) {
      expect((await reader.index.series(ref)).labels).toEqual(dump[i]!.labels)
    }
    await reader.close()
  })

  test('label names, values and postings are those of the series', async () => {
    const reader = await BlockReader.open(block.folder)
    const { index } = reader
    const names = index.labelNames()
    expect(new Set(names)).toEqual(new Set(dump.flatMap(({ labels }) => labels.filter((_, i) => i % 2 === 0))))
    for (const name of names) {
      for (const value of index.labelValues(name)) {
        const refs = await index.postings(name, value)
        const want = dump.filter(({ labels }) =>
          labels.some((l, i) => i % 2 === 0 && l === name && labels[i + 1] === value),
        )
        expect([...refs]).toEqual(want.map(({ ref }) => ref))
      }
      expect(await index.postings(name, 'no such value')).toHaveLength(0)
    }
    expect(await index.postings('no such name', '')).toHaveLength(0)
    await reader.close()
  })

  test('symbols: each found by reference and by text', async () => {
    const reader = await BlockReader.open(block.folder)
    const { symbols } = reader.index
    const all = [...symbols]
    expect(all).toHaveLength(symbols.count)
    for (const [ref, text] of all.entries()) {
      expect(symbols.lookup(ref)).toBe(text)
      expect(symbols.find(text)).toBe(ref)
      expect(symbols.find(`${text}\0`)).toBeUndefined()
    }
    await reader.close()
  })

  test('chunks: encodings, sample counts and the very bytes', async () => {
    const reader = await BlockReader.open(block.folder)
    const file = readFileSync(join(block.folder, 'chunks', '000001'))
    const metas = dump.flatMap(({ chunks }) => chunks)
    const chunks = await reader.chunks.read(metas.map(({ ref }) => ref))
    await reader.close()
    for (const [i, { ref, encoding, bytes, samples }] of metas.entries()) {
      const chunk = chunks[i]!
      expect({ encoding: chunk.encoding, bytes: chunk.data.length }).toEqual({ encoding, bytes })
      expect(sampleCount(chunk.encoding, chunk.data)).toBe(samples)
      const lengthBytes = bytes < 128 ? 1 : 2
      const record = file.subarray(ref + lengthBytes, ref + lengthBytes + 1 + bytes + 4)
      expect(Buffer.from(chunk.data).equals(record.subarray(1, -4))).toBe(true)
      expect(crc32c(record.subarray(0, -4))).toBe(record.readUInt32BE(record.length - 4))
    }
  })

  test('tombstones', async () => {
    const reader = await BlockReader.open(block.folder)
    await reader.close()
    const want = dump.filter(({ tombstones }) => tombstones.length > 0)
    const got = [...reader.tombstones].map(([ref, list]) => [ref, list.map((i) => [i.minTime, i.maxTime])])
    expect(new Map(got as [number, unknown][])).toEqual(new Map(want.map(({ ref, tombstones }) => [ref, tombstones])))
  })

  test('series are in the order of their bytes', () => {
    for (let i = 1; i < dump.length; i++) expect(compareLabels(dump[i - 1]!.labels, dump[i]!.labels)).toBeLessThan(0)
  })
})
