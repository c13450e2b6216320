// A file as a stream: all of its bytes, also of a file that is removed meanwhile; chunks are freed when they are told to be.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { freeChunk, openFileStream } from '../../../lib/bytes/file-stream.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'mnemo-file-stream-'))
afterAll(() => rmSync(folder, { recursive: true }))

test.each([0, 1, 256 * 1024, 1_000_000])('%i bytes of a file that is removed', async (length) => {
  const file = path.join(folder, 'file')
  const bytes = Buffer.from(new Uint8Array(length).map((_, i) => i * 31))
  writeFileSync(file, bytes)
  const stream = await openFileStream(file)
  rmSync(file)
  const read: Buffer[] = []
  for await (const chunk of stream) {
    read.push(Buffer.from(chunk))
    freeChunk(chunk)
    expect(chunk).toHaveLength(0)
  }
  expect(Buffer.concat(read).equals(bytes)).toBe(true)
})

test('bytes of somebody else are not freed; a file that is not there', async () => {
  const bytes = new Uint8Array(10)
  freeChunk(bytes)
  expect(bytes).toHaveLength(10)
  await expect(openFileStream(path.join(folder, 'none'))).rejects.toMatchObject({ code: 'ENOENT' })
})
