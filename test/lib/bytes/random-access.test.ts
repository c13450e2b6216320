// File and buffer behind RandomAccess: one contract, both implementations.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bufferRandomAccess, fileRandomAccess, type RandomAccess } from '../../../lib/bytes/random-access.ts'

const content = Uint8Array.from({ length: 1000 }, (_, i) => i & 0xff)
let folder = ''
const opened: { close(): Promise<void> }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mnemo-bytes-'))
  await writeFile(join(folder, 'f'), content)
})
afterAll(async () => {
  for (const file of opened) await file.close()
  await rm(folder, { recursive: true })
})

async function openedFile(): Promise<RandomAccess> {
  const file = await fileRandomAccess(join(folder, 'f'))
  opened.push(file)
  return file
}

describe.each([
  ['file', openedFile],
  ['buffer', async () => bufferRandomAccess('b', content)],
])('%s', (_, open) => {
  test('reads exactly what was asked, as bytes of its own', async () => {
    const source = await open()
    const bytes = await source.read(10, 20)
    expect(bytes).toEqual(content.slice(10, 30))
    bytes.fill(0)
    expect(await source.read(10, 20)).toEqual(content.slice(10, 30))
    expect(await source.read(1000, 0)).toEqual(new Uint8Array())
  })

  test.each([
    [990, 11],
    [1001, 0],
    [-1, 2],
    [0, 2 ** 50],
  ])('offset %d length %d is corrupt', async (offset, length) => {
    const source = await open()
    await expect(source.read(offset, length)).rejects.toMatchObject({ code: 'corrupt' })
  })

  test('an aborted signal ends a read', async () => {
    const source = await open()
    await expect(source.read(0, 1, AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' })
  })
})

test('a missing file is not_found', async () => {
  await expect(fileRandomAccess(join(folder, 'none'))).rejects.toMatchObject({ code: 'not_found' })
})
