// Chunks of one series that lie in a segment one behind the other, as they do in every block that was written in one go:
// found where they are, and copied as one.
// Specification: chunk-format.ts.
// Owns where the records begin; the bytes are borrowed from a window. What is unusual is left to chunk-reader.ts, errors too.
import type { Window } from '../bytes/forward-window.ts'
import { highWord } from '../bytes/varint.ts'
import { chunkEncoding, sampleCount } from '../chunkenc/encoding.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { MnemoError } from '../kit/errors.ts'
import { type EncodedChunk, maxChunkDataBytes, maxChunkLengthBytes } from './chunk-format.ts'

/** `found`; `cut`: the window does not have all of them; `other`: they are no run, or not what their format says. */
export type RunOutcome = 'found' | 'cut' | 'other'

export class ChunkRun {
  readonly #kernels: Kernels
  bytes: Uint8Array = new Uint8Array()
  count = 0
  /** Where each record begins in `bytes`, and where the last one ends. */
  starts = new Uint32Array(17)
  /** Where each chunk's data begins; it ends four bytes before its record. */
  dataStarts = new Uint32Array(16)
  encodings = new Uint8Array(16)
  sampleCounts = new Uint32Array(16)

  /** `kernels` verify checksums. */
  constructor(kernels: Kernels) {
    this.#kernels = kernels
  }

  /** Bytes of all records. */
  get byteLength(): number {
    return this.starts[this.count]! - this.starts[0]!
  }

  /** Finds the records of `count` chunks, at least one, in the window, which must be of the first one's segment. */
  find({ start, bytes }: Window, refs: Float64Array, count: number): RunOutcome {
    if (this.encodings.length < count) this.#grow(count)
    const first = refs[0]!
    const from = (first % highWord) - start
    if (from < 0) return 'cut'
    const end = bytes.length
    let at = from
    for (let i = 0; i < count; i++) {
      if (refs[i]! !== first + at - from) return 'other'
      this.starts[i] = at
      if (at + maxChunkLengthBytes > end) return 'cut'
      let dataBytes = bytes[at]! & 0x7f
      let shift = 7
      for (; bytes[at++]! >= 0x80; shift += 7) {
        if (shift > 21) return 'other'
        dataBytes |= (bytes[at]! & 0x7f) << shift
      }
      if (dataBytes > maxChunkDataBytes) return 'other'
      const dataEnd = at + 1 + dataBytes
      if (dataEnd + 4 > end) return 'cut'
      const encoding = bytes[at]!
      const samples =
        encoding === chunkEncoding.xor && dataBytes >= 2
          ? (bytes[at + 1]! << 8) | bytes[at + 2]!
          : samplesOf(encoding, bytes.subarray(at + 1, dataEnd))
      if (samples < 0) return 'other'
      this.dataStarts[i] = at + 1
      this.encodings[i] = encoding
      this.sampleCounts[i] = samples
      at = dataEnd + 4
    }
    this.starts[count] = at
    this.bytes = bytes
    this.count = count
    return 'found'
  }

  /** Whether each record that was found has the checksum of its bytes. */
  isWhole(): boolean {
    return this.#kernels.recordsAreWhole(this.bytes.subarray(this.starts[0], this.starts[this.count]))
  }

  /** A chunk with its record, as views of the window. */
  borrowChunk(number: number): EncodedChunk & { readonly numSamples: number } {
    const end = this.starts[number + 1]!
    return {
      encoding: this.encodings[number]!,
      data: this.bytes.subarray(this.dataStarts[number]!, end - 4),
      record: this.bytes.subarray(this.starts[number]!, end),
      numSamples: this.sampleCounts[number]!,
    }
  }

  #grow(count: number): void {
    this.starts = new Uint32Array(count * 2 + 1)
    this.dataStarts = new Uint32Array(count * 2)
    this.encodings = new Uint8Array(count * 2)
    this.sampleCounts = new Uint32Array(count * 2)
  }
}

/** Negative where the chunk's header is not as it should be. */
function samplesOf(encoding: number, data: Uint8Array): number {
  try {
    return sampleCount(encoding, data)
  } catch (error) {
    if (error instanceof MnemoError) return -1
    throw error
  }
}
