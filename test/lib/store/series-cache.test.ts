// What a cache of decoded series keeps, and that it stays within its size.
// Subject: lib/store/series-cache.ts. Owns nothing.
import { expect, test } from 'vitest'
import { SeriesCache } from '../../../lib/store/series-cache.ts'
import type { IndexedSeries } from '../../../lib/store/series-entry.ts'

function series(ref: number, chunks = 4): IndexedSeries {
  const symbols = Uint32Array.of(1, 2, 3, 4)
  return { ref, symbols, chunks: new Float64Array(3 * chunks), entryBytes: 50, answered: undefined }
}

test('what is used is kept, what is not goes; the size is never exceeded', () => {
  const cache = new SeriesCache(100_000)
  const [a, b] = [cache.ofBlock(), cache.ofBlock()]
  const used = series(1)
  a.keep(used)
  b.keep(series(1))
  for (let ref = 2; ref < 1000; ref++) {
    a.keep(series(ref))
    expect(a.get(1)).toBe(used)
    expect(cache.bytes).toBeLessThanOrEqual(100_000)
  }
  expect(b.get(1)).toBeUndefined()
  expect(a.get(2)).toBeUndefined()
  expect(a.get(999)).toBeDefined()
})

test('blocks are apart, and what is closed is empty', () => {
  const cache = new SeriesCache(100_000)
  const [a, b] = [cache.ofBlock(), cache.ofBlock()]
  a.keep(series(7))
  expect(b.get(7)).toBeUndefined()
  a.close()
  expect(a.get(7)).toBeUndefined()
})

test('a cache of no size keeps nothing, nor one that is too small for a series', () => {
  for (const size of [0, 2_000]) {
    const block = new SeriesCache(size).ofBlock()
    block.keep(series(1, 10_000))
    expect(block.get(1)).toBeUndefined()
  }
})
