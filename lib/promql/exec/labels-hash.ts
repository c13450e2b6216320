// A series' place in [0, 1) by the hash of its labels: the sampling of limit_ratio.
// Specification: Prometheus 3.14, promql/engine.go (HashRatioSampler) over labels.Hash: xxhash64 of each name and value,
// a length before it (one byte below 255; else 255 and three bytes, little endian).
// Owns the bytes that are hashed.
import { xxhash64 } from '../../kernels/xxhash.ts'
import type { Labels } from '../../labels/labels.ts'

const encoder = new TextEncoder()
const maxUint64 = 2 ** 64

/** The same for equal label sets, spread evenly over others. */
export function labelsHashRatio(labels: Labels): number {
  const parts: Uint8Array[] = []
  for (const text of labels) {
    const bytes = encoder.encode(text)
    const { length } = bytes
    const size = length < 255 ? [length] : [255, length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff]
    parts.push(Uint8Array.from(size), bytes)
  }
  return Number(xxhash64(Buffer.concat(parts))) / maxUint64
}
