// Dropping the metric name, and with it the labels that describe the metric.
// Specification: Prometheus 3.14, schema.IsMetadataLabel and promql's delayed name removal.
// Owns when names go: at once, or marked and at the query's end.

import { type Labels, metricName, withoutLabels } from '../../labels/labels.ts'
import { anyHistogram, anyPresent, type Context, type SeriesRow, type SeriesStream } from './context.ts'
import { mergeEqualLabels } from './matrix.ts'

const metadataLabels: ReadonlySet<string> = new Set([metricName, '__type__', '__unit__'])

/** Labels without name, type and unit. */
export function withoutName(labels: Labels): Labels {
  // Nearly always the name is there alone, and first.
  if (labels[0] === metricName && !(labels.length > 2 && labels[2]!.startsWith('__'))) return labels.slice(2)
  return withoutLabels(labels, metadataLabels)
}

const nameAlone: ReadonlySet<string> = new Set([metricName])

/** Labels without the name; type and unit stay. */
export function withoutNameAlone(labels: Labels): Labels {
  return withoutLabels(labels, nameAlone)
}

/** Labels of a function's output: without the name, or with it and a mark. */
export function dropName(
  context: Context,
  { labels }: { labels: Labels },
  without = withoutName,
): { labels: Labels; dropName: boolean } {
  if (context.query.delayedNameRemoval) return { labels, dropName: true }
  return { labels: without(labels), dropName: true }
}

/** How a stream loses its names. */
interface Dropping {
  readonly context: Context
  /** The series' names are one: dropping it keeps them apart. */
  readonly oneName: boolean
  /** What goes with the name: type and unit unless told. */
  readonly without?: (labels: Labels) => Labels
}

/**
 * Runs `apply` over the floats of each series of a stream that loses its name; histograms are left out.
 * Where series differ in name, those that become equal are merged (`oneName` tells that they cannot).
 */
export function mapDroppingName(
  stream: SeriesStream,
  dropping: Dropping,
  apply: (series: SeriesRow) => boolean,
): SeriesStream {
  return changeDroppingName(stream, dropping, (series) => {
    if (!apply(series)) return undefined
    return series.histograms === undefined ? series : { ...series, histograms: undefined }
  })
}

/** The same where histograms change too: what `change` returns goes on, without its name. */
export function changeDroppingName(
  stream: SeriesStream,
  { context, oneName, without = withoutName }: Dropping,
  change: (series: SeriesRow) => SeriesRow | undefined,
): SeriesStream {
  const changed = changeSeries(stream, context, (series) => {
    const result = change(series)
    return result && { ...result, ...dropName(context, result, without) }
  })
  return oneName || context.query.delayedNameRemoval ? changed : mergeEqualLabels(changed, context)
}

/** Each series as `change` returns it, unless it has no sample left. */
export async function* changeSeries(
  stream: SeriesStream,
  context: Context,
  change: (series: SeriesRow) => SeriesRow | undefined,
): SeriesStream {
  for await (const series of stream) {
    const result = change(series)
    if (result === undefined) continue
    // A series of floats alone keeps some: `change` has looked.
    if (series.histograms === undefined || anyPresent(context, result.row) || anyHistogram(result.histograms)) {
      yield result
    }
  }
}
