// What a script has loaded, as a block on disk: written by the block writer, read back through index and chunk decoding.
// Specification: lib/promql/queryable.ts. The block is written anew when a query follows a load; times may overlap between loads.
// Owns its temporary folder until close().

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newUlid } from '../../../lib/blocks/ulid.ts'
import type { Kernels } from '../../../lib/kernels/kernels.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import {
  compareLabels,
  compareStrings,
  formatLabels,
  type Labels,
  labelsKey,
  labelValue,
} from '../../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { compileMatcher } from '../../../lib/labels/regex.ts'
import { projectedLabels } from '../../../lib/promql/projected.ts'
import type { Queryable, SelectHints, SelectResult, Series } from '../../../lib/promql/queryable.ts'
import { SeriesReader } from '../../../lib/storeapi/dedup.ts'
import type { AggrChunk } from '../../../lib/storeapi/types.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { BlockWriter } from '../../../lib/tsdb/block-writer.ts'
import type { IndexedSeries } from '../../../lib/tsdb/index-reader.ts'
import { encodeMixed, type MixedSample } from '../../../lib/tsdb/overlap-mixed.ts'

interface LoadedSeries {
  readonly labels: Labels
  readonly samples: Map<number, MixedSample>
}

export class ScriptStorage implements Queryable {
  readonly #folder: string
  readonly #kernels: Kernels
  readonly #loaded = new Map<string, LoadedSeries>()
  #block: BlockReader | undefined
  #index: readonly IndexedSeries[] = []

  private constructor(folder: string, kernels: Kernels) {
    this.#folder = folder
    this.#kernels = kernels
  }

  static async create(kernels: Kernels): Promise<ScriptStorage> {
    return new ScriptStorage(await mkdtemp(join(tmpdir(), 'mnemo-promqltest-')), kernels)
  }

  async close(): Promise<void> {
    await this.#dropBlock()
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** Adds samples; they can be read from the next prepare() on. Throws `bad_data` where a series has a time already. */
  add(labels: Labels, samples: Iterable<MixedSample>): void {
    const key = labelsKey(labels)
    const series = this.#loaded.get(key) ?? { labels, samples: new Map() }
    this.#loaded.set(key, series)
    for (const sample of samples) {
      if (series.samples.has(sample.timeMs))
        throw new MnemoError(
          'bad_data',
          `got a second sample of ${formatLabels(labels)} at ${sample.timeMs} ms, want one`,
        )
      series.samples.set(sample.timeMs, sample)
    }
  }

  clear(): void {
    this.#loaded.clear()
  }

  /** Writes what is loaded as a block and opens it. */
  async prepare(): Promise<void> {
    await this.#dropBlock()
    const series = [...this.#loaded.values()].filter(({ samples }) => samples.size > 0)
    series.sort((a, b) => compareLabels(a.labels, b.labels))
    const symbols = [...new Set(series.flatMap(({ labels }) => labels))].sort(compareStrings)
    const folder = join(this.#folder, newUlid(0))
    const writer = await BlockWriter.create({ folder, symbols })
    for (const { labels, samples } of series) {
      const inOrder = [...samples.values()].sort((a, b) => a.timeMs - b.timeMs)
      await writer.addSeries(labels, encodeMixed(inOrder, this.#kernels))
    }
    await writer.finish(({ minTime, maxTime, stats }) => JSON.stringify({ version: 1, minTime, maxTime, stats }))
    this.#block = await BlockReader.open(folder)
    this.#index = await Array.fromAsync(this.#block.index.allSeries())
  }

  select(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): SelectResult {
    return { batches: this.#matching(matchers, hints, signal), warnings: [] }
  }

  async #dropBlock(): Promise<void> {
    const block = this.#block
    this.#block = undefined
    if (block === undefined) return
    await block.close()
    await rm(block.folder, { recursive: true })
  }

  async *#matching(
    matchers: readonly LabelMatcher[],
    hints: SelectHints,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Series[]> {
    const predicates = matchers.map((m) => ({ name: m.name, matches: compileMatcher(m) }))
    const reader = new SeriesReader(this.#kernels)
    try {
      for (const { labels, chunks } of this.#index) {
        if (!predicates.every(({ name, matches }) => matches(labelValue(labels, name)))) continue
        const wanted = chunks.filter((c) => c.minTime <= hints.maxTime && c.maxTime >= hints.minTime)
        const refs = wanted.map((c) => c.ref)
        const encoded = await this.#block!.chunks.read(refs, signal)
        const read: AggrChunk[] = encoded.map(({ encoding, data }, i) => {
          const { minTime, maxTime } = wanted[i]!
          return { minTime, maxTime, raw: { type: encoding - 1, data, hash: 0n } }
        })
        const into: Series['read'] = (columns, histograms, starts) =>
          reader.read(read, hints, 'chain', { columns, histograms, starts })
        yield [{ labels: projectedLabels(labels, hints), read: into }]
      }
    } finally {
      reader.free()
    }
  }
}
