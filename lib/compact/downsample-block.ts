// Downsamples a block as a stream: series by series, each to the next coarser resolution.
// Specification: Thanos pkg/compact/downsample (Downsample, streamedBlockWriter).
// Owns the writer of the new block; the arithmetic is downsample.ts's.

import { createKernels } from '../kernels/instance.ts'
import { BlockError, isOfBlock } from '../tsdb/block-error.ts'
import { type BlockContents, BlockWriter } from '../tsdb/block-writer.ts'
import { SeriesDownsampler } from './downsample-series.ts'
import type { InputBlock } from './input-block.ts'
import type { MergeOptions } from './merge.ts'
import { resolutions } from './resolutions.ts'
import { SeriesInput } from './series-input.ts'

/**
 * Writes the source's series at the next coarser resolution as one block; a series of stale markers alone is left out.
 * Memory is that of one series. Throws a BlockError where the source's bytes are bad, or (`unsupported`) of an encoding that is not known.
 */
export async function downsampleBlock(source: InputBlock, options: MergeOptions): Promise<BlockContents> {
  const { folder, meta, signal, kernels = createKernels() } = options
  const isRaw = source.meta.thanos.resolutionMs === resolutions.raw
  const writer = await BlockWriter.create({ folder, symbols: source.index.symbols, ...options.writing })
  const input = new SeriesInput(kernels, source, signal)
  const downsampler = new SeriesDownsampler(kernels)
  try {
    for (await input.next(); input.isAtHand; await input.next()) {
      signal.throwIfAborted()
      const { labels } = input
      const chunks = await input.chunks()
      const coarser = naming(source, () => (isRaw ? downsampler.fromRaw(chunks) : downsampler.fromFiveMinutes(chunks)))
      if (coarser.length > 0) await writer.addSeries(labels, coarser, input.labelRefs.slice())
      kernels.reuseEncoded()
    }
    return await writer.finish(meta)
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    downsampler.free()
    input.close()
  }
}

function naming<T>({ meta: { ulid } }: InputBlock, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    if (!isOfBlock(cause)) throw cause
    throw new BlockError(cause.code, ulid, `cannot downsample block ${ulid}`, { cause })
  }
}
