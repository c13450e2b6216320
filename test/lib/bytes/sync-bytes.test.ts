// Paged files: any range, also across pages, files that share a cache, the bound held.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { memoryBytes, PageCache, PagedFile } from '../../../lib/bytes/sync-bytes.ts'

const folder = mkdtempSync(join(tmpdir(), 'mnemo-pages-'))
afterAll(() => rmSync(folder, { recursive: true }))

const page = 16 * 1024

test.each([1, 2, 3, 100])('ranges of two files that share %d pages', (pages) => {
  const cache = new PageCache(pages * page)
  const files = [5 * page + 100, 3 * page].map((size, n) => {
    const content = Buffer.alloc(size).map((_, i) => (i * (n + 3) + (i >> 8)) & 0xff)
    const path = join(folder, `${pages}-${n}`)
    writeFileSync(path, content)
    return { content, file: new PagedFile(path, cache) }
  })
  for (let round = 0; round < 2; round++) {
    for (const [offset, length] of [
      [0, 1],
      [page - 1, 2],
      [0, 3 * page],
      [page, page],
      [2 * page + 5, 0],
      [3 * page, 0],
    ] as const) {
      for (const { content, file } of files) {
        const got = Buffer.from(file.borrowBytes(offset, length))
        expect(got.equals(content.subarray(offset, offset + length))).toBe(true)
      }
    }
  }
  for (const { content, file } of files) {
    for (const [offset, length] of [
      [content.length, 1],
      [-1, 1],
      [0, 2 ** 40],
      [Number.NaN, 1],
    ] as const) {
      expect(() => file.borrowBytes(offset, length)).toThrow(expect.objectContaining({ code: 'corrupt' }))
    }
    file.close()
    file.close()
    expect(() => file.borrowBytes(0, 1)).toThrow(expect.objectContaining({ code: 'internal' }))
  }
})

test('part of a file in memory', () => {
  const bytes = memoryBytes('f', Uint8Array.of(1, 2, 3), 100)
  expect([...bytes.borrowBytes(101, 2)]).toEqual([2, 3])
  for (const offset of [99, 102]) {
    expect(() => bytes.borrowBytes(offset, 2)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  }
})
