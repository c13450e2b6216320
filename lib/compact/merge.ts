// Merges blocks into one, series by series: chunks are copied as bytes, those alone that overlap are decoded.
// Algorithm: Prometheus tsdb/compact.go (DefaultBlockPopulator); overlap.ts for chunks that overlap.
// Owns the order of the series; the checks on what is read are series-input.ts's.
import { createKernels } from '../kernels/instance.ts'
import { MnemoError } from '../kit/errors.ts'
import { type BlockContents, BlockWriter, type BlockWriterOptions } from '../tsdb/block-writer.ts'
import { type OverlapFunction, OverlapMerger, type SourcedChunk } from '../tsdb/overlap.ts'
import type { InputBlock } from './input-block.ts'
import { MergeHead, smallest } from './merge-head.ts'
import { SeriesCopier } from './series-copier.ts'
import { SeriesInput } from './series-input.ts'
import { SymbolMerge } from './symbol-merge.ts'

export interface MergeOptions {
  /** Folder of the new block, not there yet; its last part is the new ULID. */
  readonly folder: string
  /** The text of meta.json for what was written. */
  readonly meta: (contents: BlockContents) => string
  readonly signal: AbortSignal
  /** How files are written, and what becomes of segments that are whole; see BlockWriterOptions. */
  readonly writing?: Pick<BlockWriterOptions, 'segmentBytes' | 'onSegment' | 'onLastSegment' | 'durable'>
}

export interface BlocksMergeOptions extends MergeOptions {
  /** What becomes of samples that blocks share. */
  readonly overlap: OverlapFunction
  /** False: the checksums of chunks that are copied are left to checkBlock(), which must see the new block before it counts. */
  readonly isVerified?: boolean
}

/**
 * Writes the series of all sources, which ascend in time, as one block.
 * Memory does not grow with the blocks. Throws a BlockError where one source's bytes are bad, and `internal` where the new
 * block does not hold every sample that was read.
 */
export async function mergeBlocks(sources: readonly InputBlock[], options: BlocksMergeOptions): Promise<BlockContents> {
  const symbols = new SymbolMerge(
    sources.map(({ meta: { ulid }, index }) => ({ ulid, symbols: index.symbols })),
    { path: `${options.folder}.symbols` },
  )
  try {
    return await mergeSeries(sources, symbols, options)
  } finally {
    await symbols.close()
  }
}

async function mergeSeries(
  sources: readonly InputBlock[],
  symbols: SymbolMerge,
  options: BlocksMergeOptions,
): Promise<BlockContents> {
  const { folder, meta, signal, isVerified = true } = options
  const writer = await BlockWriter.create({ folder, symbols: symbols.merged(), ...options.writing })
  const kernels = createKernels()
  // SymbolMerge has seen that the blocks' symbols ascend.
  const inputOptions = { kernels, ascendingSymbols: true }
  const heads = sources.map((source, i) => new MergeHead(new SeriesInput(source, signal, inputOptions), i))
  const merger = new OverlapMerger(kernels, options.overlap)
  const copier = new SeriesCopier(writer, { isVerified })
  let taken = 0
  try {
    for (const head of heads) await head.advance(symbols)
    for (let members = smallest(heads); members.length > 0; members = smallest(heads)) {
      signal.throwIfAborted()
      // Nothing is awaited that is at hand: series are many.
      const copied = copier.copy(members)
      if (!(typeof copied === 'boolean' ? copied : await copied)) {
        const chunks = await chunksOf(members)
        for (const { chunk } of chunks) taken += chunk.numSamples
        const [{ input, refs, length }] = members as [MergeHead]
        if (chunks.length > 0)
          await writer.addSeries(input.series!.labels, merger.merge(chunks), refs.subarray(0, length))
        kernels.reuseEncoded()
      }
      for (const head of members) {
        const later = head.advance(symbols)
        if (later) await later
      }
    }
    taken += copier.numSamples
    return await writer.finish((contents) => {
      checkCount(contents, { taken, dropped: merger.droppedSamples })
      return meta(contents)
    })
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    merger.free()
    await Promise.all(heads.map(({ input }) => input.close()))
  }
}

async function chunksOf(members: readonly MergeHead[]): Promise<SourcedChunk[]> {
  const chunks: SourcedChunk[] = []
  for (const { input } of members) for (const chunk of await input.chunks()) chunks.push({ ulid: input.ulid, chunk })
  return chunks
}

/** Samples that no other overlaps are there, every one; of those that overlap the merger tells what it dropped. */
function checkCount(
  { stats: { numSamples } }: BlockContents,
  { taken, dropped }: { readonly taken: number; readonly dropped: number },
): void {
  if (numSamples === taken - dropped) return
  const want = `${taken} as in the inputs, less ${dropped} that they share`
  throw new MnemoError('internal', `cannot finish merged block: got ${numSamples} samples, want ${want}`)
}
