// Annotations: warnings and infos that arise while a query runs, each text once, with its position at the end.
// Specification: Prometheus 3.14, util/annotations (texts) and promql/parser/posrange (line:column, in bytes).
// Owns the texts and the merging of equal ones.

import { formatG, formatGoTime, quoteGo } from '../functions/go-format.ts'
import type { Position } from '../parse/ast.ts'
import { lineAndColumn } from '../parse/position.ts'

/** What monotonicity fix-ups of histogram_quantile have in common, merged over steps and series. */
interface ForcedMonotonicity {
  minTimeMs: number
  maxTimeMs: number
  minBucket: number
  maxBucket: number
  maxDiff: number
  samples: number
}

interface Annotation {
  readonly level: 'warning' | 'info'
  readonly text: string
  readonly pos: Position
  readonly forced?: ForcedMonotonicity
  /** How often it came up, where its text tells that. */
  readonly count?: number
}

export type SampleType = 'float' | 'histogram'
export type HistogramOperation = 'addition' | 'subtraction' | 'aggregation'

const nanEffects = {
  result: 'histogram_quantile has NaN observations, result is NaN',
  skew: 'histogram_quantile has NaN observations, result is skewed higher',
  fraction: 'histogram_fraction has NaN observations, which are excluded from all fractions',
} as const
export type NanEffect = keyof typeof nanEffects

const levelPrefix = { warning: 'PromQL warning: ', info: 'PromQL info: ' } as const

/** One query's annotations. Equal texts are one annotation, at the position seen last; of those that add up, the first one. */
export class AnnotationSet {
  readonly #byText = new Map<string, Annotation>()
  readonly #storageWarnings = new Set<string>()

  /** A warning of the storage, as it is. */
  storageWarning(text: string): void {
    this.#storageWarnings.add(text)
  }

  invalidQuantile(quantile: number, pos: Position): void {
    this.#add('warning', `quantile value should be between 0 and 1, got ${formatG(quantile)}`, pos)
  }

  invalidRatio(ratio: number, cappedTo: number, pos: Position): void {
    const text = `ratio value should be between -1 and 1, got ${formatG(ratio)}, capping to ${formatG(cappedTo)}`
    this.#add('warning', text, pos)
  }

  badBucketLabel(metricName: string, bucketLabel: string, pos: Position): void {
    const text = `bucket label "le" is missing or has a malformed value of ${quoteGo(bucketLabel)}`
    this.#add('warning', text + forMetricName(metricName), pos)
  }

  sortInRangeQuery(pos: Position): void {
    this.#add('warning', 'sort is ineffective for range queries since results are always ordered by labels', pos)
  }

  possibleNonCounter(metricName: string, pos: Position): void {
    const text = 'metric might not be a counter, name does not end in _total/_sum/_count/_bucket:'
    this.#add('info', `${text} ${quoteGo(metricName)}`, pos)
  }

  /** The same where labels tell a metric's type. */
  possibleNonCounterType(metricName: string, type: string, pos: Position): void {
    const text = 'metric might not be a counter, __type__ label is not set to "counter" or "histogram", got'
    this.#add('info', `${text} ${quoteGo(type)}: ${quoteGo(metricName)}`, pos)
  }

  /** A sample began before the one before it ended. */
  startsOverlap(metricName: string, pos: Position): void {
    const text = `sample has start time that overlaps with previous sample timestamp for metric ${quoteGo(metricName)}`
    const before = this.#byText.get(text)
    this.#byText.set(text, { level: 'warning', text, pos: before?.pos ?? pos, count: 1 + (before?.count ?? 0) })
  }

  /** A binary operator that has no meaning for its operands' types. */
  operandTypes({ lhs, op, rhs }: { lhs: SampleType; op: string; rhs: SampleType }, pos: Position): void {
    const text = `incompatible sample types encountered for binary operator ${quoteGo(op)}: ${lhs} ${op} ${rhs}`
    this.#add('info', text, pos)
  }

  /** Exponential and custom buckets on the two sides of a binary operator. */
  bucketLayouts(op: string, pos: Position): void {
    this.#add('warning', `incompatible bucket layout encountered for binary operator ${op}`, pos)
  }

  mixedInRange(metricName: string, pos: Position): void {
    this.#add('warning', `encountered a mix of histograms and floats for metric name ${quoteGo(metricName)}`, pos)
  }

  mixedInAggregation(pos: Position): void {
    this.#add('warning', 'encountered a mix of histograms and floats for aggregation', pos)
  }

  mixedSchemas(metricName: string, pos: Position): void {
    const text = 'vector contains a mix of histograms with exponential and custom buckets schemas for metric name'
    this.#add('warning', `${text} ${quoteGo(metricName)}`, pos)
  }

  mixedClassicAndNative(metricName: string, pos: Position): void {
    this.#add('warning', `vector contains a mix of classic and native histograms${forMetricName(metricName)}`, pos)
  }

  /** A native histogram whose hint says that it is not what the function is for. */
  nativeHistogramIsNot(kind: 'counter' | 'gauge', metricName: string, pos: Position): void {
    this.#add('warning', `this native histogram metric is not a ${kind}: ${quoteGo(metricName)}`, pos)
  }

  counterResetsCollide(operation: HistogramOperation, pos: Position): void {
    this.#add('warning', `conflicting counter resets during histogram ${operation}`, pos)
  }

  customBoundsReconciled(operation: HistogramOperation, pos: Position): void {
    this.#add('info', `mismatched custom buckets were reconciled during ${operation}`, pos)
  }

  histogramsIgnored(aggregation: string, pos: Position): void {
    this.#add('info', `ignored histogram in ${aggregation} aggregation`, pos)
  }

  histogramsIgnoredInRange(metricName: string, pos: Position): void {
    const text = 'ignored histograms in a range containing both floats and histograms for metric name'
    this.#add('info', `${text} ${quoteGo(metricName)}`, pos)
  }

  /** Observations that are NaN, and what they did to a result. */
  nanObservations(effect: NanEffect, metricName: string, pos: Position): void {
    this.#add('info', `input to ${nanEffects[effect]}${forMetricName(metricName)}`, pos)
  }

  forcedMonotonicity(
    metricName: string,
    pos: Position,
    fix: { timeMs: number; minBucket: number; maxBucket: number; maxDiff: number },
  ): void {
    const text =
      'input to histogram_quantile needed to be fixed for monotonicity ' +
      '(see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)' +
      forMetricName(metricName)
    const before = this.#byText.get(text)?.forced
    const forced = {
      minTimeMs: Math.min(fix.timeMs, before?.minTimeMs ?? fix.timeMs),
      maxTimeMs: Math.max(fix.timeMs, before?.maxTimeMs ?? fix.timeMs),
      minBucket: Math.min(fix.minBucket, before?.minBucket ?? fix.minBucket),
      maxBucket: Math.max(fix.maxBucket, before?.maxBucket ?? fix.maxBucket),
      maxDiff: Math.max(fix.maxDiff, before?.maxDiff ?? fix.maxDiff),
      samples: 1 + (before?.samples ?? 0),
    }
    this.#byText.set(text, { level: 'info', text, pos: this.#byText.get(text)?.pos ?? pos, forced })
  }

  /** The texts with their `(line:column)` in the query. */
  texts(query: string): { warnings: string[]; infos: string[] } {
    const texts = { warnings: [...this.#storageWarnings], infos: [] as string[] }
    for (const annotation of this.#byText.values()) {
      const list = annotation.level === 'warning' ? texts.warnings : texts.infos
      const { count = 1 } = annotation
      const times = count > 1 ? ` (${count} occurrences)` : ''
      const detail = annotation.forced === undefined ? times : describeForced(annotation.forced)
      list.push(
        `${levelPrefix[annotation.level]}${annotation.text}${detail} (${lineAndColumn(query, annotation.pos.start)})`,
      )
    }
    return texts
  }

  #add(level: 'warning' | 'info', text: string, pos: Position): void {
    this.#byText.set(text, { level, text, pos })
  }
}

function forMetricName(name: string): string {
  return name === '' ? '' : ` for metric name ${quoteGo(name)}`
}

function describeForced(f: ForcedMonotonicity): string {
  const buckets = `from buckets ${formatG(f.minBucket)} to ${formatG(f.maxBucket)}`
  const diff = `with a max diff of ${formatG(f.maxDiff, 2)}`
  const span = `over ${f.samples} samples from ${formatGoTime(f.minTimeMs)} to ${formatGoTime(f.maxTimeMs)}`
  return `, ${buckets}, ${diff}, ${span}`
}
