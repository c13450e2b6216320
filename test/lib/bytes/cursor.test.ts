// Cursor and EncodeBuffer: what one writes the other reads, within 53 bits, and never beyond the bytes.
import { expect, test } from 'vitest'
import { Cursor } from '../../../lib/bytes/cursor.ts'
import { EncodeBuffer } from '../../../lib/bytes/encode-buffer.ts'

const place = { file: 'some/file', section: 'numbers', offset: 100 }

const integers = [
  0,
  1,
  63,
  64,
  127,
  128,
  16383,
  16384,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 32 + 1,
  2 ** 52,
  2 ** 53 - 2,
]

test.each(integers)('integer %d survives as u64, uvarint and varint of both signs', (value) => {
  const out = new EncodeBuffer()
  out.u64(value)
  out.uvarint(value)
  out.varint(value)
  out.varint(-value)
  const cursor = new Cursor(out.copyBytes(), place)
  expect([cursor.u64(), cursor.uvarint(), cursor.varint(), cursor.varint() + 0]).toEqual([
    value,
    value,
    value,
    0 - value,
  ])
  expect(cursor.remaining).toBe(0)
})

/** Varints as Go's encoding/binary writes them. */
test.each([
  ['uvarint', 300, [0xac, 0x02]],
  ['varint', -1, [0x01]],
  ['varint', 64, [0x80, 0x01]],
  ['varint', -65, [0x81, 0x01]],
] as const)('%s %d is written as Go does', (kind, value, want) => {
  const out = new EncodeBuffer()
  out[kind](value)
  expect([...out.copyBytes()]).toEqual(want)
})

test('int64 extremes clamp where asked and are refused elsewhere', () => {
  const min = Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
  const max = Uint8Array.from([0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
  expect(new Cursor(min, place).varintClamped()).toBe(-Number.MAX_SAFE_INTEGER)
  expect(new Cursor(max, place).varintClamped()).toBe(Number.MAX_SAFE_INTEGER)
  for (const read of ['varint', 'uvarint', 'u64'] as const) {
    expect(() => new Cursor(max, place)[read]()).toThrow(expect.objectContaining({ code: 'corrupt' }))
  }
})

test('strings: every width of length and of character', () => {
  const out = new EncodeBuffer(16)
  const texts = ['', 'a', 'é'.repeat(43), 'x'.repeat(127), 'x'.repeat(128), '𝄞'.repeat(5000), '\ufffd', '\ufeffbom']
  for (const text of texts) out.uvarintString(text)
  const cursor = new Cursor(out.copyBytes(), place)
  expect(texts.map(() => cursor.uvarintString())).toEqual(texts)
})

test.each([
  ['a truncated u32', [1, 2, 3], (c: Cursor) => c.u32()],
  ['an endless varint', Array(11).fill(0x80), (c: Cursor) => c.uvarint()],
  ['a cut varint', [0x80], (c: Cursor) => c.varint()],
  ['a string longer than the bytes', [5, 65], (c: Cursor) => c.uvarintString()],
  ['a huge length', [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], (c: Cursor) => c.uvarintString()],
  ['bad UTF-8', [2, 0xc3, 0x28], (c: Cursor) => c.uvarintString()],
  ['a wide length', [0xff, 0xff, 0xff, 0xff, 0x1f], (c: Cursor) => c.uvarint32()],
])('%s is corrupt, and named', (_, bytes, read) => {
  expect(() => read(new Cursor(Uint8Array.from(bytes), place))).toThrow(
    expect.objectContaining({
      code: 'corrupt',
      message: expect.stringMatching(/numbers of some\/file at offset 10\d/),
    }),
  )
})

test('crc32c is appended over the bytes from a start', () => {
  const out = new EncodeBuffer()
  out.u32(7)
  const start = out.length
  out.raw(Buffer.from('123456789'))
  out.crc32c(start)
  expect(new Cursor(out.borrowBytes(out.length - 4), place).u32()).toBe(0xe3069283)
})

test('the buffer grows at every kind of write', () => {
  const out = new EncodeBuffer(16)
  for (let i = 0; i < 3000; i++) {
    out.u8(i & 0xff)
    out.u16(i)
    out.u32(i)
    out.u64(i)
    out.uvarint(i)
    out.varint(-i)
    out.uvarintString('é')
  }
  const cursor = new Cursor(out.borrowBytes(), place)
  for (let i = 0; i < 3000; i++) {
    const numbers = [cursor.u8(), cursor.u16(), cursor.u32(), cursor.u64(), cursor.uvarint(), 0 - cursor.varint()]
    expect(numbers).toEqual([i & 0xff, i, i, i, i, i])
    expect(cursor.uvarintString()).toBe('é')
  }
})

test.each([
  [[0x7f], 127],
  [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], -1],
  [[0x80, 0x80, 0x80, 0x80, 0xf8, 0xff, 0xff, 0xff, 0xff, 0x01], -(2 ** 31)],
  [[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x08], 2 ** 52],
])('an int64 that travels as a uvarint: %j', (bytes, want) => {
  expect(new Cursor(Uint8Array.from(bytes), place).uvarintSigned()).toBe(want)
})
