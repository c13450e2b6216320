// A postings list: the references of the series that have a label pair, ascending.
// Specification: Prometheus tsdb/docs/format/index.md, "Postings": `length u32 | count u32 | ref u32 … | crc32c`.
// Owns the list's bytes; the table that points to it is postings-table.ts.
import { crc32c } from '../bytes/crc32c.ts'
import { type BytePlace, Cursor } from '../bytes/cursor.ts'

/** Length field, count and checksum. */
const frameBytes = 12

/** The references of a list whose length field stands first in `bytes`, which may go on behind its checksum. */
export function decodePostings(bytes: Uint8Array, place: BytePlace): Uint32Array {
  const cursor = new Cursor(bytes, place)
  const length = cursor.u32()
  if (length < 4 || length % 4 !== 0 || length > cursor.remaining - 4) {
    cursor.position = 0
    cursor.fail(`got a length of ${length}, want a multiple of 4 up to ${bytes.length - 8}`)
  }
  cursor.checkCrc32c(length)
  const count = cursor.u32()
  if (count * 4 + 4 !== length) cursor.fail(`got ${count} references in ${length} bytes`)
  const refs = new Uint32Array(count)
  const raw = Buffer.from(refs.buffer)
  raw.set(cursor.borrowBytes(count * 4))
  raw.swap32()
  for (let i = 1; i < count; i++) {
    if (refs[i]! <= refs[i - 1]!) cursor.fail(`got reference ${refs[i]} after ${refs[i - 1]}, want them ascending`)
  }
  return refs
}

/** The list as it stands in the index, length field and checksum with it. */
export function encodePostings(refs: Uint32Array): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(frameBytes + refs.length * 4)
  bytes.writeUInt32BE(4 + refs.length * 4, 0)
  bytes.writeUInt32BE(refs.length, 4)
  const body = bytes.subarray(8, bytes.length - 4)
  body.set(new Uint8Array(refs.buffer, refs.byteOffset, refs.byteLength))
  body.swap32()
  bytes.writeUInt32BE(crc32c(bytes.subarray(4, bytes.length - 4)), bytes.length - 4)
  return bytes
}
