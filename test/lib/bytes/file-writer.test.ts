// FileWriter: what is appended in pieces of any size is the file, patches and read-backs included.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { crc32c } from '../../../lib/bytes/crc32c.ts'
import { FileWriter } from '../../../lib/bytes/file-writer.ts'

const folder = mkdtempSync(join(tmpdir(), 'mnemo-writer-'))
afterAll(() => rmSync(folder, { recursive: true }))

const ways = [{ atOnce: false }, { atOnce: true }]

test.each(ways)('pieces below, at and above the buffer, patched, aligned and read back: %j', async (options) => {
  const path = join(folder, 'file')
  const file = await FileWriter.create(path, options)
  const sizes = [1, 0, 1000, 2 ** 18, 2 ** 18 + 1, 17, 2 ** 18 - 1, 5, ...Array(50).fill(60_000), 2 ** 20 + 1]
  const want: Buffer[] = []
  for (const [i, size] of sizes.entries()) {
    const piece = Buffer.alloc(size, i + 1)
    want.push(Buffer.from(piece))
    await file.append(piece)
    piece.fill(0)
  }
  await file.align(16)
  const padding = -sizes.reduce((a, b) => a + b) & 15
  const whole = Buffer.concat([...want, Buffer.alloc(padding)])
  expect(file.position).toBe(whole.length)
  await file.patch(Buffer.from('patched'), 3)
  whole.write('patched', 3)
  await file.append(Buffer.from('end'))
  const all = Buffer.concat([whole, Buffer.from('end')])
  expect(Buffer.from(await file.read(0, 20)).equals(all.subarray(0, 20))).toBe(true)
  expect(await file.crc32c(1, all.length)).toBe(crc32c(all.subarray(1)))
  await file.finish()
  expect(readFileSync(path).equals(all)).toBe(true)
})

test.runIf(existsSync('/dev/full'))(
  'a disk that is full (/dev/full, where there is one) is told before the file is taken for whole',
  async () => {
    for (const [pieces, options] of [1, 9, 30].flatMap((pieces) => ways.map((way) => [pieces, way] as const))) {
      const file = await FileWriter.create('/dev/full', options)
      const work = async () => {
        for (let i = 0; i < pieces; i++) await file.append(Buffer.alloc(2 ** 16))
        await file.finish()
      }
      await expect(work()).rejects.toMatchObject({ message: expect.stringContaining('/dev/full') })
      await file.abort().catch(() => {})
    }
  },
)

test('a folder that is missing is not_found', async () => {
  await expect(FileWriter.create(join(folder, 'none', 'file'))).rejects.toMatchObject({ code: 'not_found' })
})
