// Chunks of floats, whatever their encoding, into sample columns.
// Specification: Prometheus tsdb/docs/format/chunks.md; the work is the kernels'.
// Owns which encodings hold floats.

import type { SampleColumns } from '../kernels/kernels.ts'
import { MnemoError } from '../kit/errors.ts'
import { chunkEncoding, encodingName, sampleCount } from './encoding.ts'

/** The chunk encodings that hold floats. */
export function isFloatEncoding(encoding: number): boolean {
  return encoding === chunkEncoding.xor || encoding === chunkEncoding.xor2
}

/**
 * Appends a chunk's samples (its bytes without length, encoding and checksum), start timestamps left out.
 * Throws `corrupt`, and `unsupported`, by the encoding's name, where the chunk does not hold floats.
 */
export function decodeFloatChunk(encoding: number, chunk: Uint8Array, into: SampleColumns): void {
  if (encoding === chunkEncoding.xor) into.kernels.decodeXor(chunk, into)
  else if (encoding === chunkEncoding.xor2) into.kernels.decodeXor2(chunk, into)
  else
    throw new MnemoError('unsupported', `cannot decode chunk: got encoding ${encodingName(encoding)}, want XOR or XOR2`)
}

/** The same with start timestamps: ms, one for each sample appended, 0 where it is not known. */
export function decodeStartedFloats(encoding: number, chunk: Uint8Array, into: SampleColumns): Float64Array {
  const { kernels, length } = into
  if (encoding !== chunkEncoding.xor2) {
    decodeFloatChunk(encoding, chunk, into)
    return new Float64Array(into.length - length)
  }
  const mark = kernels.mark()
  try {
    const startsPtr = kernels.alloc(8 * sampleCount(encoding, chunk))
    kernels.decodeXor2(chunk, into, startsPtr)
    return kernels.f64(startsPtr, into.length - length).slice()
  } finally {
    kernels.release(mark)
  }
}
