// A Queryable over samples held in memory: what a test loads is what a query sees.
// Series that stand for what the engine does not read yet (native histograms) throw `unsupported` when read.
// Owns the series by label set; samples of one series must be added in order of time.

import type { SampleColumns } from '../../lib/kernels/kernels.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { compareLabels, type Labels, labelsKey, labelValue } from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { compileMatcher } from '../../lib/labels/regex.ts'
import { projectedLabels } from '../../lib/promql/projected.ts'
import type { Queryable, SelectHints, SelectResult, Series } from '../../lib/promql/queryable.ts'

export const staleBits = 0x7ff0000000000002n

/** A value, or the bits of one (a stale marker, a NaN with its payload). */
export interface MemorySample {
  readonly timeMs: number
  readonly value: number | bigint
}

interface MemorySeries {
  readonly labels: Labels
  readonly samples: MemorySample[]
  /** Times at which the series has samples that cannot be read, and why. */
  readonly unreadable: { readonly timeMs: number; readonly reason: string }[]
}

export class MemoryQueryable implements Queryable {
  readonly #series = new Map<string, MemorySeries>()
  /** Hints of each select, in order. */
  readonly selects: { readonly matchers: readonly LabelMatcher[]; readonly hints: SelectHints }[] = []

  add(labels: Labels, samples: Iterable<MemorySample>): void {
    this.#of(labels).samples.push(...samples)
  }

  /** Reading the series at such a time throws `unsupported` with the reason. */
  addUnreadable(labels: Labels, timesMs: Iterable<number>, reason: string): void {
    for (const timeMs of timesMs) this.#of(labels).unreadable.push({ timeMs, reason })
  }

  clear(): void {
    this.#series.clear()
  }

  select(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): SelectResult {
    this.selects.push({ matchers, hints })
    return { batches: this.#matching(matchers, hints, signal), warnings: [] }
  }

  #of(labels: Labels): MemorySeries {
    const key = labelsKey(labels)
    let series = this.#series.get(key)
    if (series === undefined) {
      series = { labels, samples: [], unreadable: [] }
      this.#series.set(key, series)
    }
    return series
  }

  async *#matching(
    matchers: readonly LabelMatcher[],
    hints: SelectHints,
    signal: AbortSignal,
  ): AsyncGenerator<readonly Series[]> {
    const predicates = matchers.map((m) => ({ name: m.name, matches: compileMatcher(m) }))
    const matching = [...this.#series.values()].filter(({ labels }) =>
      predicates.every(({ name, matches }) => matches(labelValue(labels, name))),
    )
    matching.sort((a, b) => compareLabels(a.labels, b.labels))
    for (const series of matching) {
      signal.throwIfAborted()
      yield [{ labels: projectedLabels(series.labels, hints), read: (columns) => readSamples(series, hints, columns) }]
    }
  }
}

function readSamples(series: MemorySeries, { minTime, maxTime }: SelectHints, columns: SampleColumns): void {
  const unreadable = series.unreadable.find(({ timeMs }) => timeMs >= minTime && timeMs <= maxTime)
  if (unreadable !== undefined) throw new MnemoError('unsupported', unreadable.reason)
  for (const { timeMs, value } of series.samples) {
    if (timeMs < minTime || timeMs > maxTime) continue
    if (typeof value === 'bigint') columns.pushBits(timeMs, value)
    else columns.push(timeMs, value)
  }
}
