// Index-headers: the very bytes that Thanos makes, look-ups equal to the index's own, damage told.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { IndexHeader } from '../../../lib/blocks/index-header.ts'
import { buildIndexHeader } from '../../../lib/blocks/index-header-build.ts'
import { bufferRandomAccess, type RandomAccess } from '../../../lib/bytes/random-access.ts'
import { PageCache } from '../../../lib/bytes/sync-bytes.ts'
import { IndexReader } from '../../../lib/tsdb/index-reader.ts'
import { IndexWriter } from '../../../lib/tsdb/index-writer.ts'
import { decodePostings } from '../../../lib/tsdb/postings.ts'
import { goldenPath } from '../../support/golden.ts'

const folder = mkdtempSync(join(tmpdir(), 'mnemo-index-header-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ulids = readdirSync(goldenPath('index-headers')).map((name) => name.replace('.index-header', ''))

/** The source, and the ranges that were read of it. */
function counted(source: RandomAccess): RandomAccess & { readonly reads: number } {
  let reads = 0
  return {
    ...source,
    get reads() {
      return reads
    },
    read(offset, length, signal) {
      reads++
      return source.read(offset, length, signal)
    },
  }
}

function goldenIndex(ulid: string): RandomAccess {
  return bufferRandomAccess(`${ulid}/index`, readFileSync(goldenPath('bucket', ulid, 'index')))
}

/** Every look-up that the header offers gives what the index says. */
async function expectEqualLookups(header: IndexHeader, index: RandomAccess): Promise<void> {
  const reader = await IndexReader.open(index)
  expect(header.indexBytes).toBe(index.sizeBytes)
  for (const [ref, text] of [...reader.symbols].entries()) {
    expect(header.symbol(ref)).toBe(text)
    expect(header.findSymbol(text)).toBe(ref)
  }
  const postingsAt = async (range: { offset: number; length: number }) =>
    decodePostings(await index.read(range.offset, range.length), {
      file: '',
      section: 'postings',
      offset: range.offset,
    })
  expect(await postingsAt(header.postingsRange('', '')!)).toEqual(await reader.allPostings())
  expect(header.labelNames()).toEqual(reader.labelNames())
  for (const name of header.labelNames()) {
    const values = header.labelValues(name)
    expect(values).toEqual(reader.labelValues(name))
    expect(values).toHaveLength(header.valueCount(name))
    const selected = header.selectValues(name, (value) => value.length % 2 === 0)
    const even = values.filter((value) => value.length % 2 === 0)
    expect(selected).toEqual(even.map((value) => ({ value, ...header.postingsRange(name, value)! })))
    const ranges = header.postingsRanges(name, values)
    for (const [i, value] of values.entries()) {
      expect(await postingsAt(ranges[i]!)).toEqual(await reader.postings(name, value))
      expect(header.postingsRange(name, `${value}\0`)).toBeUndefined()
    }
  }
  expect(header.postingsRange('no such name', 'a')).toBeUndefined()
  expect(header.labelValues('no such name')).toEqual([])
}

describe.each(ulids)('%s', (ulid) => {
  const path = join(folder, ulid, 'index-header')

  test('is built byte for byte as Thanos builds it, in one read', async () => {
    const source = counted(goldenIndex(ulid))
    await buildIndexHeader(source, path)
    const want = readFileSync(goldenPath('index-headers', `${ulid}.index-header`))
    expect(readFileSync(path).equals(want)).toBe(true)
    expect(source.reads).toBe(1)
    expect(readdirSync(join(folder, ulid))).toEqual(['index-header'])
  })

  test('finds what the index holds', async () => {
    const header = await IndexHeader.open(goldenPath('index-headers', `${ulid}.index-header`))
    await expectEqualLookups(header, goldenIndex(ulid))
    header.close()
  })
})

test('a large index: many values, tables of several windows, pages of a shared small cache', async () => {
  const values = Array.from({ length: 20_000 }, (_, i) => `value-${String(i).padStart(6, '0')}-${'x'.repeat(i % 90)}`)
  values.push('\ufffd', '\u{10000}', 'z'.repeat(1_500_000))
  const symbols = [...values, 'a', 'b', '1', '2'].sort((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
  const indexPath = join(folder, 'large-index')
  const writer = await IndexWriter.create(indexPath, symbols)
  for (const value of symbols.filter((s) => values.includes(s) || s === '1')) {
    await writer.addSeries(['a', value, 'b', value.length % 2 ? '1' : '2'], [{ minTime: 0, maxTime: 1, ref: 8 }])
  }
  await writer.finish()
  const index = bufferRandomAccess('large', readFileSync(indexPath))
  const path = join(folder, 'large-index-header')
  const source = counted(index)
  await buildIndexHeader(source, path)
  expect(source.reads).toBeLessThan(6)
  const pages = new PageCache(3 * 16 * 1024)
  const headers = [await IndexHeader.open(path, { pages }), await IndexHeader.open(path, { pages })]
  for (const header of headers) {
    expect(header.valueCount('a')).toBe(values.length + 1)
    expect(header.postingsRange('a', '\ufffd')).toBeDefined()
    expect(header.labelValues('a')).toEqual(symbols.filter((s) => s !== 'a' && s !== 'b' && s !== '2'))
    for (let i = 0; i < symbols.length; i += 97) {
      expect(header.symbol(i)).toBe(symbols[i])
      expect(header.findSymbol(symbols[i]!)).toBe(i)
    }
  }
  const reader = await IndexReader.open(index)
  const series = await Array.fromAsync(reader.allSeries())
  expect(series.map(({ labels }) => labels[1])).toEqual(headers[0]!.labelValues('a'))
  expect(series.map(({ ref }) => ref)).toEqual([...(await reader.allPostings())])
  for (const header of headers) header.close()
})

describe('a damaged file is corrupt, so that the store builds it anew', () => {
  const whole = readFileSync(goldenPath('index-headers', `${ulids[0]}.index-header`))
  const path = join(folder, 'damaged')

  test('cut at any length', async () => {
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(path, whole.subarray(0, length))
      await expect(IndexHeader.open(path)).rejects.toMatchObject({ code: 'corrupt' })
    }
  })

  test('any byte flipped', async () => {
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1 << (at % 8)
      writeFileSync(path, bytes)
      await expect(IndexHeader.open(path), `byte ${at}`).rejects.toMatchObject({ code: 'corrupt' })
    }
  })

  test('a missing file is not_found', async () => {
    await expect(IndexHeader.open(join(folder, 'none'))).rejects.toMatchObject({ code: 'not_found' })
  })
})

test('an index of version 1 is unsupported; nothing is left behind', async () => {
  const bytes = readFileSync(goldenPath('bucket', ulids[0]!, 'index'))
  bytes[4] = 1
  const path = join(folder, 'v1', 'index-header')
  await expect(buildIndexHeader(bufferRandomAccess('v1', bytes), path)).rejects.toMatchObject({ code: 'unsupported' })
  expect(() => readdirSync(join(folder, 'v1'))).toThrow()
})
