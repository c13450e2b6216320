// Checksums of chunk records in the kernel against lib/bytes/crc32c.ts: every length about a block and a vector, at every alignment; any bit.
import { expect, test } from 'vitest'
import { EncodeBuffer } from '../../../lib/bytes/encode-buffer.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { encodeChunkRecord } from '../../../lib/tsdb/chunk-format.ts'
import { Random, seed } from '../../support/random.ts'

const kernels = createKernels()
const random = new Random(seed)

function records(lengths: readonly number[]): Uint8Array {
  const out = new EncodeBuffer()
  for (const length of lengths)
    encodeChunkRecord({ encoding: 1, data: Uint8Array.from({ length }, () => random.u32() & 0xff) }, out)
  return out.copyBytes()
}

test(`records of every length are whole (SEED=${seed})`, () => {
  // Behind a first one of up to 15 bytes, so that they begin anywhere.
  for (let length = 1; length <= 1100; length++)
    expect(kernels.recordsAreWhole(records([1 + (length % 15), length])), `${length} bytes`).toBe(true)
  expect(kernels.recordsAreWhole(records([100_000, 3, 70_001]))).toBe(true)
})

test(`a bit that is wrong anywhere behind a length is seen (SEED=${seed})`, () => {
  for (const length of [1, 40, 127, 128, 300, 513]) {
    const whole = records([length])
    const lengthBytes = length < 128 ? 1 : 2
    for (let at = lengthBytes; at < whole.length; at++) {
      const damaged = whole.slice()
      damaged[at]! ^= 1 << random.below(8)
      expect(kernels.recordsAreWhole(damaged), `${length} bytes, at ${at}`).toBe(false)
    }
  }
})
