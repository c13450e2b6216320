// Dropping the metric name, and with it the labels that describe the metric.
// Specification: Prometheus 3.14, schema.IsMetadataLabel and promql's delayed name removal.
// Owns when names go: at once, or marked and at the query's end.

import { type Labels, metricName, withoutLabels } from '../../labels/labels.ts'
import type { Context, SeriesRow, SeriesStream } from './context.ts'
import { mergeEqualLabels } from './matrix.ts'

const metadataLabels: ReadonlySet<string> = new Set([metricName, '__type__', '__unit__'])

/** Labels without name, type and unit. */
export function withoutName(labels: Labels): Labels {
  // Nearly always the name is there alone, and first.
  if (labels[0] === metricName && !(labels.length > 2 && labels[2]!.startsWith('__'))) return labels.slice(2)
  return withoutLabels(labels, metadataLabels)
}

/** Labels of a function's output: without the name, or with it and a mark. */
export function dropName(context: Context, { labels }: { labels: Labels }): { labels: Labels; dropName: boolean } {
  if (context.query.delayedNameRemoval) return { labels, dropName: true }
  return { labels: withoutName(labels), dropName: true }
}

/**
 * Runs `apply` over each series of a stream that loses its name.
 * Where series differ in name, those that become equal are merged (`oneName` tells that they cannot).
 */
export function mapDroppingName(
  stream: SeriesStream,
  { context, oneName }: { context: Context; oneName: boolean },
  apply: (series: SeriesRow) => boolean,
): SeriesStream {
  const mapped = mapRows(stream, context, apply)
  return oneName || context.query.delayedNameRemoval ? mapped : mergeEqualLabels(mapped, context)
}

async function* mapRows(stream: SeriesStream, context: Context, apply: (series: SeriesRow) => boolean): SeriesStream {
  for await (const series of stream) {
    if (apply(series)) yield { ...dropName(context, series), row: series.row }
  }
}
