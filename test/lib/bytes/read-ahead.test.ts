// Read-ahead: one piece on its way, no more; errors arrive where they belong.
import { expect, test } from 'vitest'
import { bufferRandomAccess, type RandomAccess } from '../../../lib/bytes/random-access.ts'
import { readAhead } from '../../../lib/bytes/read-ahead.ts'

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i)

test.each([
  [0, 100, 7],
  [3, 4, 7],
  [10, 10, 7],
  [0, 100, 100],
  [0, 100, 1000],
])('[%d, %d) in pieces of %d', async (start, end, pieceBytes) => {
  const pieces = await Array.fromAsync(readAhead(bufferRandomAccess('b', bytes), { start, end, pieceBytes }))
  expect(Buffer.concat(pieces).equals(bytes.subarray(start, end))).toBe(true)
  for (const piece of pieces.slice(0, -1)) expect(piece).toHaveLength(pieceBytes)
})

test('one piece ahead; a failed one is thrown when its turn comes, and not at all where nobody asks', async () => {
  const offsets: number[] = []
  const failing: RandomAccess = {
    name: 'failing',
    sizeBytes: 100,
    async read(offset, length) {
      offsets.push(offset)
      if (offset >= 20) throw new Error('no more')
      return bytes.slice(offset, offset + length)
    },
  }
  const range = { start: 0, end: 100, pieceBytes: 10 }
  const pieces = readAhead(failing, range)
  expect((await pieces.next()).value).toHaveLength(10)
  expect(offsets).toEqual([0, 10])
  expect((await pieces.next()).value).toHaveLength(10)
  await expect(pieces.next()).rejects.toThrow('no more')
  expect(offsets).toEqual([0, 10, 20])

  for await (const piece of readAhead(failing, { ...range, start: 10 })) {
    expect(piece[0]).toBe(10)
    break
  }
})
