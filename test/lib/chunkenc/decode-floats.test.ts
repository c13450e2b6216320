// Float chunks of both encodings into columns; what holds no floats is refused by name.
import { expect, test } from 'vitest'
import { decodeFloatChunk, isFloatEncoding } from '../../../lib/chunkenc/decode-floats.ts'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'

const kernels = createKernels()
const columns = kernels.columns()

test('XOR and XOR2 chunks give the samples that were encoded', () => {
  columns.clear()
  for (let i = 0; i < 5; i++) columns.push(1000 * i, i * i)
  const xor = kernels.encodeXor(columns, 0, 5)
  const xor2 = kernels.encodeXor2(columns, 0, 5)
  columns.clear()
  decodeFloatChunk(chunkEncoding.xor, xor, columns)
  decodeFloatChunk(chunkEncoding.xor2, xor2, columns)
  expect([...columns.times()]).toEqual([0, 1000, 2000, 3000, 4000, 0, 1000, 2000, 3000, 4000])
  expect([...columns.values()]).toEqual([0, 1, 4, 9, 16, 0, 1, 4, 9, 16])
})

test.each([2, 3, 5, 6, 7, 0xff])('encoding %i is refused by name', (encoding) => {
  expect(isFloatEncoding(encoding)).toBe(false)
  expect(() => decodeFloatChunk(encoding, new Uint8Array(10), columns)).toThrow(
    expect.objectContaining({ code: 'unsupported', message: expect.stringMatching(/histogram|aggregate|unknown/) }),
  )
})
