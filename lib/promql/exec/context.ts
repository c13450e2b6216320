// What a running query carries: its steps, its data, its kernels, its budget; and the shape of an operator.
// Specification: the buffer contract on SeriesRow, which every operator keeps.
// Owns these types and the sample budget.

import type { Histogram } from '../../histogram/histogram.ts'
import type { Kernels, Row, Steps } from '../../kernels/kernels.ts'
import { MnemoError } from '../../kit/errors.ts'
import type { Labels } from '../../labels/labels.ts'
import type { ScalarPlan, Select, VectorPlan } from '../plan/plan.ts'
import type { Queryable, StoreRead } from '../queryable.ts'
import type { AnnotationSet } from './annotations.ts'
import type { SampleStats } from './sample-stats.ts'

/**
 * One series of an operator's output, a value a step.
 * The row is borrowed: it holds until the next series is asked for, and who borrowed it may write over it till then.
 * Views of kernel memory end with any call that may allocate there: take them anew after each await.
 */
export interface SeriesRow {
  readonly labels: Labels
  /** The metric name is dropped at the end of the query (only with delayed name removal). */
  readonly dropName: boolean
  /** The float samples. */
  readonly row: Row
  /** Where the series has histogram samples at all: a cell a step, empty where the step has a float or nothing. At least one step has a sample. */
  readonly histograms?: StepHistograms | undefined
}

export type StepHistograms = readonly (Histogram | undefined)[]

/** Series in the order in which an instant query shows them. */
export type SeriesStream = AsyncIterable<SeriesRow>

/** Evaluates plans; operators evaluate their children through it. */
export interface Runner {
  vector(plan: VectorPlan, context: Context): SeriesStream
  /** One value for each step; the caller owns it. */
  scalar(plan: ScalarPlan, context: Context): Promise<Float64Array>
}

/** Told what selectors read: see analysis.ts. */
export interface SelectObserver {
  read(select: Select, samples: number): void
  asked(select: Select, stores: readonly StoreRead[]): void
}

/** What is the same in all of a query. */
export interface Query {
  readonly run: Runner
  readonly queryable: Queryable
  /** The query's alone while it runs. Operators allocate rows and never free them: the query's end does. */
  readonly kernels: Kernels
  readonly signal: AbortSignal
  readonly lookbackMs: number
  readonly annotations: AnnotationSet
  readonly samples: SampleBudget
  /** Where it is asked what each operator does. */
  readonly analysis: SelectObserver | undefined
  /** Names are dropped when the query ends in place of at once. */
  readonly delayedNameRemoval: boolean
  /** Whether a metric is a counter is told by its __type__ label, not by its name. */
  readonly typeAndUnitLabels: boolean
  readonly defaultSubqueryStepMs: (rangeMs: number) => number
}

/** A query with the steps at hand: subqueries and step invariant parts have their own. */
export interface Context {
  readonly query: Query
  readonly steps: Steps
  /** It begins and ends at one time: an instant query's order is kept. A range of one step is none. */
  readonly instant: boolean
  /** Where samples are counted by step: those of these steps. */
  readonly stats: SampleStats | undefined
}

/** Time of a step, ms. */
export function stepTimeMs(steps: Steps, step: number): number {
  return steps.startMs + step * steps.stepMs
}

/** Borrowed views of a row's two halves. */
export function viewsOf(context: Context, row: Row): { values: Float64Array; present: Uint8Array } {
  const { kernels } = context.query
  const { count } = context.steps
  return { values: kernels.f64(row.valuesPtr, count), present: kernels.u8(row.presentPtr, count) }
}

/** Whether any step has a float sample. */
export function anyPresent(context: Context, row: Row): boolean {
  return context.query.kernels.u8(row.presentPtr, context.steps.count).includes(1)
}

export function anyHistogram(histograms: StepHistograms | undefined): boolean {
  return histograms?.some((histogram) => histogram !== undefined) ?? false
}

/** Throws `canceled` once the query is aborted, or what it was aborted with if that has a code (a timeout). */
export function checkAborted(signal: AbortSignal): void {
  if (!signal.aborted) return
  if (signal.reason instanceof MnemoError) throw signal.reason
  throw new MnemoError('canceled', 'query was canceled in query execution', { cause: signal.reason })
}

export function executionError(message: string, cause?: unknown): MnemoError {
  return new MnemoError('execution', message, cause === undefined ? undefined : { cause })
}

export function duplicateSeries(): MnemoError {
  return executionError('vector cannot contain metrics with the same labelset')
}

/** Counts the samples that a query holds at one time. */
export class SampleBudget {
  readonly #max: number
  #held = 0
  /** The most that was held at one time. */
  peak = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Throws `execution` over the query's limit. */
  hold(count: number): void {
    this.check(count)
    this.#held += count
  }

  drop(count: number): void {
    this.#held -= count
  }

  /** Whether so many more may be kept for convenience: what is needed goes first. */
  hasRoom(count: number): boolean {
    return this.#held + count <= this.#max / 4
  }

  /** Of samples that go again before anything else is held. */
  check(count: number): void {
    if (this.#held + count > this.peak) this.peak = this.#held + count
    if (this.#held + count <= this.#max) return
    throw executionError('query processing would load too many samples into memory in query execution')
  }
}
