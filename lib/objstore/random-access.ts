// An object of a bucket as bytes that are read by position.
// Specification: RandomAccess in lib/bytes.
// Owns nothing: the bucket stays the caller's.
import type { RandomAccess } from '../bytes/random-access.ts'
import { MnemoError } from '../kit/errors.ts'
import type { ReadableBucket } from './bucket.ts'

/** The object as RandomAccess; asks the bucket for its size unless the caller knows it. */
export async function bucketRandomAccess(
  bucket: ReadableBucket,
  name: string,
  { sizeBytes, signal }: { sizeBytes?: number; signal?: AbortSignal } = {},
): Promise<RandomAccess> {
  const size = sizeBytes ?? (await bucket.attributes(name, signal)).sizeBytes
  return {
    name,
    sizeBytes: size,
    async read(offset, length, signal) {
      if (!(offset >= 0 && length >= 0 && offset + length <= size)) throw outOfBounds(name, { offset, length, size })
      const bytes = length === 0 ? new Uint8Array(0) : await bucket.getRange(name, offset, length, signal)
      if (bytes.length !== length) throw outOfBounds(name, { offset, length, size: offset + bytes.length })
      return bytes
    },
    readNow: (offset, into) => offset + into.length <= size && (bucket.readNow?.(name, offset, into) ?? false),
  }
}

function outOfBounds(name: string, at: { offset: number; length: number; size: number }): MnemoError {
  const want = `${at.length} bytes at offset ${at.offset}`
  return new MnemoError('corrupt', `cannot read ${name}: got an object of ${at.size} bytes, want ${want}`)
}
