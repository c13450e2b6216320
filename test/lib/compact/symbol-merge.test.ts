// Symbols of several blocks as one list: each once, and every number translated, in memory and through files alike.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { EncodeBuffer } from '../../../lib/bytes/encode-buffer.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { memoryBytes } from '../../../lib/bytes/sync-bytes.ts'
import { SymbolMerge } from '../../../lib/compact/symbol-merge.ts'
import { compareStrings } from '../../../lib/labels/labels.ts'
import { SymbolTable } from '../../../lib/tsdb/symbol-table.ts'
import { Random, seed } from '../../support/random.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'mnemo-symbols-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function tableOf(texts: readonly string[]): Promise<SymbolTable> {
  const entries = new EncodeBuffer()
  entries.u32(texts.length)
  for (const text of texts) entries.uvarintString(text)
  const out = new EncodeBuffer()
  out.u32(entries.length)
  entries.crc32c()
  out.raw(entries.borrowBytes())
  const bytes = out.copyBytes()
  const range = { offset: 0, limit: bytes.length }
  return SymbolTable.open(bufferRandomAccess('symbols', bytes), range, memoryBytes('symbols', bytes, 0))
}

test.each([1_000_000, 0])(`random tables, more than %i symbols in files (SEED=${seed})`, async (mostInMemory) => {
  const random = new Random(seed)
  for (let i = 0; i < 30; i++) {
    const texts = Array.from({ length: 1 + random.below(4) }, () => {
      const some = Array.from({ length: random.below(random.pick([3, 200])) }, () => `${random.below(300)}é𝄞�`)
      return [...new Set(some)].sort(compareStrings)
    })
    const sources = await Promise.all(texts.map(async (some, k) => ({ ulid: `${k}`, symbols: await tableOf(some) })))
    const merge = new SymbolMerge(sources, { path: path.join(folder, 'symbols'), mostInMemory })
    const all = await Array.fromAsync(merge.merged())
    expect(all).toEqual([...new Set(texts.flat())].sort(compareStrings))
    for (const [k, some] of texts.entries()) {
      const numbers = merge.numbersOf(k)
      expect(numbers.count).toBe(some.length)
      // In pieces, as pages are.
      const got: string[] = []
      for (let first = 0; first < some.length; first += 50) {
        const piece = Buffer.from(numbers.borrow(first, 50))
        for (let at = 0; at < piece.length; at += 4) got.push(all[piece.readUInt32LE(at)]!)
      }
      expect(got).toEqual(some)
    }
    await merge.close()
    expect(readdirSync(folder)).toEqual([])
  }
})

test('a block whose symbols do not ascend is named', async () => {
  const sources = [
    { ulid: 'good', symbols: await tableOf(['a', 'b']) },
    { ulid: 'bad', symbols: await tableOf(['b', 'a']) },
  ]
  const merge = new SymbolMerge(sources, { path: path.join(folder, 'symbols') })
  await expect(Array.fromAsync(merge.merged())).rejects.toMatchObject({ code: 'corrupt', ulid: 'bad' })
  await merge.close()
})
