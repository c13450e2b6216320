// Merges blocks that follow each other in time into one: series by series, chunks copied as bytes, none decoded.
// Algorithm: Prometheus tsdb/compact.go (DefaultBlockPopulator) for blocks that do not overlap.
// Owns the order of series and the checks on what it reads; a block that breaks them is named by a BlockError.

import { sampleCount } from '../chunkenc/encoding.ts'
import { type ErrorCode, MnemoError } from '../kit/errors.ts'
import { compareLabels, compareStrings, formatLabels, type Labels } from '../labels/labels.ts'
import { type BlockChunk, type BlockContents, BlockWriter } from '../tsdb/block-writer.ts'
import type { IndexedSeries } from '../tsdb/index-reader.ts'
import type { InputBlock } from './input-block.ts'

/** One block is why the merge failed: the others may still be merged without it. */
export class BlockError extends MnemoError {
  readonly ulid: string

  constructor(code: ErrorCode, ulid: string, message: string, options?: { cause?: unknown }) {
    super(code, message, options)
    this.ulid = ulid
  }
}

export interface MergeOptions {
  /** Folder of the new block, not there yet; its last part is the new ULID. */
  readonly folder: string
  /** The text of meta.json for what was written. */
  readonly meta: (contents: BlockContents) => string
  readonly signal: AbortSignal
}

/**
 * Writes the series of all sources as one block. Sources ascend in time and do not overlap.
 * Memory does not grow with the blocks' samples. Throws a BlockError where one source's bytes are bad.
 */
export async function mergeBlocks(sources: readonly InputBlock[], options: MergeOptions): Promise<BlockContents> {
  const { folder, meta, signal } = options
  const writer = await BlockWriter.create({ folder, symbols: mergeSymbols(sources) })
  const inputs = sources.map((source) => new Input(source, signal))
  try {
    await Promise.all(inputs.map((input) => input.next()))
    for (let first = smallest(inputs); first; first = smallest(inputs)) {
      signal.throwIfAborted()
      const { labels } = first
      const chunks: BlockChunk[] = []
      for (const input of inputs) {
        if (!input.series || compareLabels(input.series.labels, labels) !== 0) continue
        chunks.push(...(await input.chunks()))
        await input.next()
      }
      if (chunks.length > 0) await writer.addSeries(labels, chunks)
    }
    return await writer.finish(meta)
  } catch (error) {
    await writer.abort()
    throw error
  } finally {
    await Promise.all(inputs.map((input) => input.close()))
  }
}

/** One source's series in order, one at hand. */
class Input {
  series: IndexedSeries | undefined
  readonly #source: InputBlock
  readonly #iterator: AsyncGenerator<IndexedSeries>
  readonly #signal: AbortSignal

  constructor(source: InputBlock, signal: AbortSignal) {
    this.#source = source
    this.#signal = signal
    this.#iterator = source.index.allSeries(signal)
  }

  async next(): Promise<void> {
    const last: Labels | undefined = this.series?.labels
    const { value, done } = await this.#naming(() => this.#iterator.next())
    this.series = done ? undefined : value
    if (last && this.series && compareLabels(last, this.series.labels) >= 0)
      throw this.#bad(
        `got series ${formatLabels(this.series.labels)} after ${formatLabels(last)}, want ascending order`,
      )
  }

  /** The chunks of the series at hand, checked against the block's time. */
  async chunks(): Promise<BlockChunk[]> {
    const { labels, chunks: metas } = this.series!
    const { minTime, maxTime } = this.#source.meta
    let last = Number.NEGATIVE_INFINITY
    for (const chunk of metas) {
      const times = `chunk ${chunk.minTime} to ${chunk.maxTime} of ${formatLabels(labels)}`
      if (chunk.minTime <= last) throw this.#bad(`got ${times} after ${last}, want chunks in order of time`)
      if (chunk.minTime > chunk.maxTime || chunk.minTime < minTime || chunk.maxTime >= maxTime)
        throw this.#bad(`got ${times}, want it inside [${minTime}, ${maxTime})`)
      last = chunk.maxTime
    }
    return this.#naming(async () => {
      const encoded = await this.#source.chunks.read(
        metas.map(({ ref }) => ref),
        this.#signal,
      )
      return metas.map(({ minTime, maxTime }, i) => {
        const { encoding, data } = encoded[i]!
        return { minTime, maxTime, encoding, data, numSamples: sampleCount(encoding, data) }
      })
    })
  }

  async close(): Promise<void> {
    await this.#iterator.return(undefined)
  }

  async #naming<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof MnemoError && (error.code === 'corrupt' || error.code === 'unsupported'))
        throw new BlockError(error.code, this.#source.meta.ulid, `cannot read block ${this.#source.meta.ulid}`, {
          cause: error,
        })
      throw error
    }
  }

  #bad(what: string): BlockError {
    return new BlockError('corrupt', this.#source.meta.ulid, `cannot merge block ${this.#source.meta.ulid}: ${what}`)
  }
}

function smallest(inputs: readonly Input[]): IndexedSeries | undefined {
  let best: IndexedSeries | undefined
  for (const { series } of inputs) if (series && (!best || compareLabels(series.labels, best.labels) < 0)) best = series
  return best
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
