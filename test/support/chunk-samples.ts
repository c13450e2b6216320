// Samples of answered chunks, for tests that compare them with what was written or with what Prometheus says.
// Owns nothing.
import { createKernels } from '../../lib/kernels/instance.ts'
import type { AggrChunk } from '../../lib/storeapi/types.ts'

const kernels = createKernels()
const staleBits = 0x7ff0000000000002n

export interface Sample {
  readonly timeMs: number
  readonly bits: bigint
}

/** Every sample of XOR chunks, stale markers among them. Throws where a chunk is not XOR or its times are not its own. */
export function samplesOf(chunks: readonly AggrChunk[]): Sample[] {
  const columns = kernels.columns()
  try {
    return chunks.flatMap(({ minTime, maxTime, raw }) => {
      if (raw?.type !== 0) throw new Error(`a chunk of type ${raw?.type}, want XOR`)
      columns.clear()
      kernels.decodeXor(raw.data, columns)
      const bits = columns.valueBits()
      const samples = [...columns.times()].map((timeMs, i) => ({ timeMs, bits: bits[i]! }))
      if (samples[0]?.timeMs !== minTime || samples.at(-1)?.timeMs !== maxTime)
        throw new Error(`a chunk of [${minTime}, ${maxTime}] has other times`)
      return samples
    })
  } finally {
    columns.free()
  }
}

/** As the HTTP API prints a matrix's values: seconds and value, without stale markers, within [fromMs, toMs]. */
export function asValues(samples: readonly Sample[], fromMs: number, toMs: number): [number, number][] {
  return samples
    .filter(({ timeMs, bits }) => bits !== staleBits && timeMs >= fromMs && timeMs <= toMs)
    .map(({ timeMs, bits }) => [timeMs / 1000, new Float64Array(new BigUint64Array([bits]).buffer)[0]!])
}
