// Merges blocks into one, series by series: chunks are copied as bytes, those alone that overlap are decoded.
// Algorithm: Prometheus tsdb/compact.go (DefaultBlockPopulator); overlap.ts for chunks that overlap.
// Kernels take series as long as they are simple (lib/kernels/assembly/series-merge.ts). Owns those that are not, and the count of all
// samples; the checks on what is read are series-input.ts's.
import { createKernels } from '../kernels/instance.ts'
import type { Kernels } from '../kernels/kernels.ts'
import { step } from '../kernels/series-input.ts'
import { MnemoError } from '../kit/errors.ts'
import { type BlockContents, BlockWriter, type BlockWriterOptions } from '../tsdb/block-writer.ts'
import { type OverlapFunction, OverlapMerger, type SourcedChunk } from '../tsdb/overlap.ts'
import type { InputBlock } from './input-block.ts'
import { SeriesInput } from './series-input.ts'
import { SymbolMerge } from './symbol-merge.ts'

export interface MergeOptions {
  /** Folder of the new block, not there yet; its last part is the new ULID. */
  readonly folder: string
  /** The text of meta.json for what was written. */
  readonly meta: (contents: BlockContents) => string
  readonly signal: AbortSignal
  /** Nobody else may have them meanwhile. */
  readonly kernels?: Kernels
  /** How files are written, and what becomes of segments that are whole; see BlockWriterOptions. */
  readonly writing?: Pick<BlockWriterOptions, 'segmentBytes' | 'onSegment' | 'onLastSegment' | 'durable' | 'atOnce'>
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
  const { folder, meta, signal, kernels = createKernels(), isVerified = true } = options
  const writer = await BlockWriter.create({ folder, symbols: symbols.merged(), ...options.writing })
  // SymbolMerge has seen that the blocks' symbols ascend.
  const inputs = sources.map(
    (source, i) => new SeriesInput(kernels, source, signal, { ascendingSymbols: true, numbers: symbols.numbersOf(i) }),
  )
  const kernelInputs = inputs.map(({ kernel }) => kernel)
  const merge = kernels.seriesMerge(kernelInputs, { isVerified, isPenalty: options.overlap === 'penalty' })
  const merger = new OverlapMerger(kernels, options.overlap)
  let [taken, dropped] = [0, 0]
  const take = async () => {
    const { written } = merge
    taken += written.numRead
    dropped += written.numDropped
    await writer.take(written)
    merge.begin(writer.place)
  }
  /** The series of the members, which is not as simple as the kernels take it. */
  const add = async () => {
    if (merge.numWritten > 0) await take()
    const members = merge.members.map((number) => inputs[number]!)
    for (const member of members) member.stand()
    const chunks = await chunksOf(members)
    for (const { chunk } of chunks) taken += chunk.numSamples
    const [{ labels, kernel }] = members as [SeriesInput]
    if (chunks.length > 0) await writer.addSeries(labels, merger.merge(chunks), kernel.numbers.slice())
    kernels.reuseEncoded()
    merge.leaveMembers()
    merge.begin(writer.place)
  }
  try {
    merge.begin(writer.place)
    for (let reached = merge.run(); reached !== step.end; reached = merge.run()) {
      signal.throwIfAborted()
      if (reached === step.take) await take()
      else if (reached === step.other) await add()
      else if (reached === step.samples) merge.grow()
      else await inputs[merge.input]!.provide(reached)
    }
    await take()
    return await writer.finish((contents) => {
      checkCount(contents, { taken, dropped: dropped + merger.droppedSamples })
      return meta(contents)
    })
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    merger.free()
    merge.free()
    for (const input of inputs) input.close()
  }
}

async function chunksOf(members: readonly SeriesInput[]): Promise<SourcedChunk[]> {
  const chunks: SourcedChunk[] = []
  for (const input of members) for (const chunk of await input.chunks()) chunks.push({ ulid: input.ulid, chunk })
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
