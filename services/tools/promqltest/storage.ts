// What a script has loaded, as a block on disk: written by the block writer, read back through index and chunk decoding.
// Specification: lib/promql/queryable.ts. The block is written anew when a query follows a load; times may overlap between loads.
// Owns its temporary folder until close().

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newUlid } from '../../../lib/blocks/ulid.ts'
import { chunkEncoding } from '../../../lib/chunkenc/encoding.ts'
import type { HistogramPoint } from '../../../lib/histogram/histogram.ts'
import type { Kernels } from '../../../lib/kernels/kernels.ts'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { compareLabels, compareStrings, type Labels, labelsKey, labelValue } from '../../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../../lib/labels/matcher.ts'
import { compileMatcher } from '../../../lib/labels/regex.ts'
import type { Queryable, SelectHints, SelectResult, Series } from '../../../lib/promql/queryable.ts'
import { SeriesReader } from '../../../lib/storeapi/dedup.ts'
import type { AggrChunk } from '../../../lib/storeapi/types.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { type BlockChunk, BlockWriter } from '../../../lib/tsdb/block-writer.ts'
import type { IndexedSeries } from '../../../lib/tsdb/index-reader.ts'
import { withStoredHints } from './histograms.ts'

export const staleBits = 0x7ff0000000000002n

/** A value, or the bits of one (a stale marker). */
export interface LoadedSample {
  readonly timeMs: number
  readonly value: number | bigint
}

interface LoadedSeries {
  readonly labels: Labels
  readonly samples: LoadedSample[]
  readonly histograms: HistogramPoint[]
  /** Times at which the series has samples that cannot be written yet, and why. */
  readonly unreadable: { readonly timeMs: number; readonly reason: string }[]
}

/** As many as Prometheus puts into a chunk. */
const samplesPerChunk = 120

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

  /** The samples of one load, in order of time. prepare() must follow before the next query. */
  add(labels: Labels, samples: Iterable<LoadedSample>): void {
    this.#of(labels).samples.push(...samples)
  }

  /** The same of histograms; they stay in memory. */
  addHistograms(labels: Labels, histograms: Iterable<HistogramPoint>): void {
    this.#of(labels).histograms.push(...histograms)
  }

  /** Reading the series at such a time throws `unsupported` with the reason. */
  addUnreadable(labels: Labels, timesMs: Iterable<number>, reason: string): void {
    for (const timeMs of timesMs) this.#of(labels).unreadable.push({ timeMs, reason })
  }

  clear(): void {
    this.#loaded.clear()
  }

  /** Writes what is loaded as a block and opens it. */
  async prepare(): Promise<void> {
    await this.#dropBlock()
    const series = [...this.#loaded.values()].sort((a, b) => compareLabels(a.labels, b.labels))
    const symbols = [...new Set(series.flatMap(({ labels }) => labels))].sort(compareStrings)
    const folder = join(this.#folder, newUlid(0))
    const writer = await BlockWriter.create({ folder, symbols })
    for (const one of series) await writer.addSeries(one.labels, this.#chunksOf(one.samples))
    await writer.finish(({ minTime, maxTime, stats }) => JSON.stringify({ version: 1, minTime, maxTime, stats }))
    this.#block = await BlockReader.open(folder)
    this.#index = await Array.fromAsync(this.#block.index.allSeries())
  }

  select(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): SelectResult {
    return { series: this.#matching(matchers, hints, signal), warnings: [] }
  }

  #of(labels: Labels): LoadedSeries {
    const key = labelsKey(labels)
    let series = this.#loaded.get(key)
    if (series === undefined) {
      series = { labels, samples: [], histograms: [], unreadable: [] }
      this.#loaded.set(key, series)
    }
    return series
  }

  async #dropBlock(): Promise<void> {
    const block = this.#block
    this.#block = undefined
    if (block === undefined) return
    await block.close()
    await rm(block.folder, { recursive: true })
  }

  #chunksOf(unordered: readonly LoadedSample[]): BlockChunk[] {
    const samples = [...unordered].sort((a, b) => a.timeMs - b.timeMs)
    const columns = this.#kernels.columns()
    try {
      for (const { timeMs, value } of samples) {
        if (typeof value === 'bigint') columns.pushBits(timeMs, value)
        else columns.push(timeMs, value)
      }
      return Array.from({ length: Math.ceil(samples.length / samplesPerChunk) }, (_, i) => {
        const from = i * samplesPerChunk
        const to = Math.min(from + samplesPerChunk, samples.length)
        const data = this.#kernels.encodeXor(columns, from, to)
        const range = { minTime: samples[from]!.timeMs, maxTime: samples[to - 1]!.timeMs, numSamples: to - from }
        return { ...range, encoding: chunkEncoding.xor, data }
      })
    } finally {
      columns.free()
    }
  }

  async *#matching(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): AsyncGenerator<Series> {
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
        yield {
          labels,
          read: (columns, histograms) => {
            this.#refuseUnreadable(labels, hints)
            reader.read(read, hints, 'chain', { columns, histograms })
            histograms.push(...this.#histogramsOf(labels, hints))
          },
        }
      }
    } finally {
      reader.free()
    }
  }

  #histogramsOf(labels: Labels, { minTime, maxTime }: SelectHints): HistogramPoint[] {
    const { samples, histograms } = this.#loaded.get(labelsKey(labels))!
    const points = [...histograms].sort((a, b) => a.timeMs - b.timeMs)
    const floatBetween = ([from, to]: [number, number]) => samples.some(({ timeMs }) => timeMs > from && timeMs < to)
    return withStoredHints(points, floatBetween).filter(({ timeMs }) => timeMs >= minTime && timeMs <= maxTime)
  }

  #refuseUnreadable(labels: Labels, { minTime, maxTime }: SelectHints): void {
    const { unreadable } = this.#loaded.get(labelsKey(labels))!
    const found = unreadable.find(({ timeMs }) => timeMs >= minTime && timeMs <= maxTime)
    if (found !== undefined) throw new MnemoError('unsupported', found.reason)
  }
}
