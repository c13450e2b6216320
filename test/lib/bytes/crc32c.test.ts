// CRC-32C against the examples of RFC 3720 B.4 and against a bit-at-a-time twin.
import { expect, test } from 'vitest'
import { Crc32cRanges, crc32c } from '../../../lib/bytes/crc32c.ts'

function bitwise(bytes: Uint8Array): number {
  let crc = -1
  for (const byte of bytes) {
    crc ^= byte
    for (let i = 0; i < 8; i++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

test.each([
  ['empty', new Uint8Array(), 0],
  ['check value', Buffer.from('123456789'), 0xe3069283],
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
])('%s', (_, bytes, want) => {
  expect(crc32c(bytes)).toBe(want)
})

test('every length and alignment equals the bitwise twin, whole and in two parts', () => {
  const bytes = Uint8Array.from({ length: 400 }, (_, i) => (i * 131 + (i >> 3)) & 0xff)
  const shifted = bytes.subarray(1)
  const ranges = new Crc32cRanges(shifted)
  for (let start = 1; start < 10; start++) {
    for (let end = start; end < bytes.length; end += 7) {
      const part = bytes.subarray(start, end)
      const want = bitwise(part)
      expect(crc32c(part)).toBe(want)
      expect(ranges.of(start - 1, end - 1)).toBe(want)
      const cut = part.length >> 1
      expect(crc32c(part.subarray(cut), crc32c(part.subarray(0, cut)))).toBe(want)
    }
  }
})
