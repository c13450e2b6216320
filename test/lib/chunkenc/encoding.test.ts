// Names, headers and the slots of aggregate chunks.
import { expect, test } from 'vitest'
import { splitAggregates } from '../../../lib/chunkenc/aggregate.ts'
import { chunkEncoding, encodingName, sampleCount } from '../../../lib/chunkenc/encoding.ts'

test('each encoding has a name', () => {
  expect(encodingName(chunkEncoding.xor)).toBe('XOR')
  expect(encodingName(chunkEncoding.xor2)).toBe('XOR2')
  expect(encodingName(7)).toBe('unknown encoding 7')
})

test('the sample count is the first two bytes', () => {
  for (const encoding of [1, 2, 3, 4, 5, 6]) expect(sampleCount(encoding, Uint8Array.of(1, 4, 9))).toBe(260)
  expect(() => sampleCount(1, Uint8Array.of(1))).toThrow(expect.objectContaining({ code: 'corrupt' }))
  expect(() => sampleCount(0, Uint8Array.of(1, 2))).toThrow(expect.objectContaining({ code: 'unsupported' }))
})

test('an aggregate chunk is split into the aggregates that it has', () => {
  const chunk = Uint8Array.of(3, 1, 0, 7, 5, 0, 0, 2, 1, 0, 7, 0)
  const parts = splitAggregates(chunk)
  expect(Object.keys(parts)).toEqual(['count', 'max'])
  expect(parts.count).toEqual({ encoding: 1, data: Uint8Array.of(0, 7, 5) })
  expect(parts.max).toEqual({ encoding: 1, data: Uint8Array.of(0, 7) })
  expect(sampleCount(chunkEncoding.aggregate, chunk)).toBe(7)
  for (let length = 0; length < chunk.length; length++)
    expect(() => splitAggregates(chunk.subarray(0, length))).toThrow(expect.objectContaining({ code: 'corrupt' }))
})
