// Chunks of floats, whatever their encoding, into sample columns.
// Specification: Prometheus tsdb/docs/format/chunks.md; the work is the kernels'.
// Owns which encodings hold floats.

import type { SampleColumns } from '../kernels/kernels.ts'
import { MnemoError } from '../kit/errors.ts'
import { chunkEncoding, encodingName } from './encoding.ts'

/** The chunk encodings that hold floats. */
export function isFloatEncoding(encoding: number): boolean {
  return encoding === chunkEncoding.xor || encoding === chunkEncoding.xor2
}

/**
 * Appends a chunk's samples (its bytes without length, encoding and checksum). Start timestamps are left out.
 * Throws `corrupt`, and `unsupported`, by the encoding's name, where the chunk does not hold floats.
 */
export function decodeFloatChunk(encoding: number, chunk: Uint8Array, into: SampleColumns): void {
  if (encoding === chunkEncoding.xor) into.kernels.decodeXor(chunk, into)
  else if (encoding === chunkEncoding.xor2) into.kernels.decodeXor2(chunk, into)
  else
    throw new MnemoError('unsupported', `cannot decode chunk: got encoding ${encodingName(encoding)}, want XOR or XOR2`)
}
