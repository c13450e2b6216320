// Merges blocks into one, series by series: chunks are copied as bytes, those alone that overlap are decoded.
// Algorithm: Prometheus tsdb/compact.go (DefaultBlockPopulator); overlap.ts for chunks that overlap.
// Owns the order of the series; the checks on what is read are series-input.ts's.
import { createKernels } from '../kernels/instance.ts'
import { compareStrings } from '../labels/labels.ts'
import { type BlockContents, BlockWriter } from '../tsdb/block-writer.ts'
import { alignedSeries } from './aligned-series.ts'
import type { InputBlock } from './input-block.ts'
import { type OverlapFunction, OverlapMerger, type SourcedChunk } from './overlap.ts'
import { SeriesInput } from './series-input.ts'

export interface MergeOptions {
  /** Folder of the new block, not there yet; its last part is the new ULID. */
  readonly folder: string
  /** The text of meta.json for what was written. */
  readonly meta: (contents: BlockContents) => string
  readonly signal: AbortSignal
}

/**
 * Writes the series of all sources as one block. Sources ascend in time; `overlap` says what becomes of samples that they share.
 * Memory does not grow with the blocks' samples. Throws a BlockError where one source's bytes are bad.
 */
export async function mergeBlocks(
  sources: readonly InputBlock[],
  options: MergeOptions & { readonly overlap: OverlapFunction },
): Promise<BlockContents> {
  const { folder, meta, signal } = options
  const writer = await BlockWriter.create({ folder, symbols: mergeSymbols(sources) })
  const inputs = sources.map((source) => new SeriesInput(source, signal))
  const merger = new OverlapMerger(createKernels(), options.overlap)
  try {
    for await (const { labels, members } of alignedSeries(inputs)) {
      signal.throwIfAborted()
      const chunks: SourcedChunk[] = []
      for (const input of members) for (const chunk of await input.chunks()) chunks.push({ ulid: input.ulid, chunk })
      if (chunks.length > 0) await writer.addSeries(labels, merger.merge(chunks))
    }
    return await writer.finish(meta)
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    merger.free()
    await Promise.all(inputs.map((input) => input.close()))
  }
}

/** All sources' symbols, each once, ascending by bytes. */
function* mergeSymbols(sources: readonly InputBlock[]): Generator<string> {
  const tables = sources.map(({ index }) => index.symbols[Symbol.iterator]())
  const heads = tables.map((table) => table.next())
  for (;;) {
    let best: string | undefined
    for (const { value, done } of heads)
      if (!done && (best === undefined || compareStrings(value, best) < 0)) best = value
    if (best === undefined) return
    yield best
    for (const [i, head] of heads.entries()) if (!head.done && head.value === best) heads[i] = tables[i]!.next()
  }
}
