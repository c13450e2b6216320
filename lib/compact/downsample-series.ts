// Downsampling of one series, whatever it holds: runs of float chunks and of histogram chunks, each by its own rules.
// Algorithm: Thanos pkg/compact/downsample/downsample.go (Downsample): a run ends where floats change to histograms.
// Owns the two downsamplers until free().
import { splitAggregates } from '../chunkenc/aggregate.ts'
import { isHistogramEncoding } from '../chunkenc/decode-histogram.ts'
import { chunkEncoding } from '../chunkenc/encoding.ts'
import type { Kernels } from '../kernels/kernels.ts'
import type { BlockChunk } from '../tsdb/block-writer.ts'
import { FloatDownsampler } from './downsample.ts'
import { HistogramDownsampler } from './downsample-histograms.ts'

export class SeriesDownsampler {
  readonly #floats: FloatDownsampler
  readonly #histograms: HistogramDownsampler

  constructor(kernels: Kernels) {
    this.#floats = new FloatDownsampler(kernels)
    this.#histograms = new HistogramDownsampler(kernels)
  }

  /** Raw chunks of one series, in order, as aggregate chunks of 5 minutes. Throws `corrupt`, `unsupported`. */
  fromRaw(chunks: readonly BlockChunk[]): BlockChunk[] {
    return runsOfOneKind(chunks, ({ encoding }) => isHistogramEncoding(encoding)).flatMap(({ histograms, run }) =>
      histograms ? this.#histograms.fromRaw(run) : this.#floats.fromRaw(run),
    )
  }

  /** Aggregate chunks of 5 minutes, in order, as those of an hour. Throws `corrupt`, `unsupported`. */
  fromFiveMinutes(chunks: readonly BlockChunk[]): BlockChunk[] {
    // Old versions of Thanos left raw chunks between aggregates, empty ones most of all.
    const aggregates = chunks.flatMap((chunk) => {
      if (chunk.encoding === chunkEncoding.aggregate) return [chunk]
      return chunk.numSamples === 0 ? [] : this.fromRaw([chunk])
    })
    return runsOfOneKind(aggregates, countsHistograms).flatMap(({ histograms, run }) =>
      histograms ? this.#histograms.fromFiveMinutes(run) : this.#floats.fromFiveMinutes(run),
    )
  }

  free(): void {
    this.#floats.free()
    this.#histograms.free()
  }
}

function countsHistograms({ data }: BlockChunk): boolean {
  const { counter } = splitAggregates(data)
  return counter !== undefined && isHistogramEncoding(counter.encoding)
}

function runsOfOneKind(
  chunks: readonly BlockChunk[],
  isHistogram: (chunk: BlockChunk) => boolean,
): { readonly histograms: boolean; readonly run: BlockChunk[] }[] {
  const runs: { histograms: boolean; run: BlockChunk[] }[] = []
  for (const chunk of chunks) {
    const histograms = isHistogram(chunk)
    const last = runs.at(-1)
    if (last?.histograms === histograms) last.run.push(chunk)
    else runs.push({ histograms, run: [chunk] })
  }
  return runs
}
