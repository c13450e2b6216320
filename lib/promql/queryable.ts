// The one small interface through which PromQL sees data: series by matchers, some at a time, samples into columns.
// Owns the seam between the engine and what is below it (the querier's fan-out, a block, a test's table).

import type { HistogramPoint } from '../histogram/histogram.ts'
import type { SampleColumns } from '../kernels/columns.ts'
import type { Labels } from '../labels/labels.ts'
import type { LabelMatcher } from '../labels/matcher.ts'

export interface SelectHints {
  /** First and last sample time wanted, ms, both inclusive. */
  readonly minTime: number
  readonly maxTime: number
  readonly stepMs: number
  /** Window of a matrix selector; 0 for an instant selector. */
  readonly rangeMs: number
  /** The function or aggregation right above the selector, '' where none: rate, sum_over_time, sum … */
  readonly func: string
  /** Labels of the aggregation right above, where there is one. */
  readonly grouping?: { readonly labels: readonly string[]; readonly without: boolean }
  /**
   * The labels that anything looks at: those named, or with `without` all but those; every label where absent. The others may be left
   * out of the series, which come all the same, each for itself and in the order of all their labels.
   */
  readonly projection?: { readonly labels: readonly string[]; readonly without: boolean }
  /** Start timestamps are wanted: `read` gets a list for them. */
  readonly startTimestamps?: boolean
}

/** Where sums and counts of a downsampled series go: floats, or histograms, and the raw samples that each of both stands for. */
export interface SampleTotals {
  readonly columns: SampleColumns
  readonly histograms: HistogramPoint[]
  readonly counts: SampleColumns
}

/** One series of a select. Valid until the next batch is asked for. */
export interface Series {
  readonly labels: Labels
  /**
   * Appends this series' samples in [minTime, maxTime] of the hints, floats to the columns and histograms to the list:
   * times ascending in each, no time twice in both; stale markers are kept as they are.
   * Samples before and after that (the rest of a chunk) may come too: operators look at their windows alone.
   * With `starts`, start timestamps are read too: those of histograms stand in their points, those of floats are appended
   * to the list, one a sample (ms, 0 where it is not known), or none at all where no float has one.
   * Throws `unsupported`, by the encoding's name, where a chunk cannot be decoded.
   */
  read(columns: SampleColumns, histograms: HistogramPoint[], starts?: number[]): void
  /**
   * Only under count_over_time and avg_over_time of a range, and where the series has downsampled data: in place of `read`, since a
   * window there is many samples. Sums are left out under count_over_time. Stale markers are gone.
   */
  readTotals?(totals: SampleTotals): void
}

export interface SelectResult {
  /** Series in ascending order of labels, no label set twice (before a projection, where there is one); as many at a time as are there. */
  readonly batches: AsyncIterable<readonly Series[]>
  /** Complete once `batches` has ended. */
  readonly warnings: readonly string[]
  /** What came from each store, where that is known; complete once `batches` has ended. */
  readonly stores?: readonly StoreRead[]
}

/** What one store gave to one select. */
export interface StoreRead {
  readonly address: string
  /** From the call until its last series. */
  readonly durationMs: number
  readonly responses: number
  readonly series: number
  readonly chunks: number
  /** Of encoded chunks. */
  readonly bytes: number
}

export interface Queryable {
  select(matchers: readonly LabelMatcher[], hints: SelectHints, signal: AbortSignal): SelectResult
}
