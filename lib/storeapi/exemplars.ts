// The gRPC Exemplars API: exemplars of the series that a query's selectors choose.
// Specification: Thanos pkg/exemplars/exemplarspb/rpc.proto (proto/exemplars.proto).
// Owns the messages, and the merging of several peers' answers along replica labels.
import { compareLabels, type Labels, labelsKey, withoutLabels } from '../labels/labels.ts'
import { peerCall } from './peer-call.ts'
import { double, int, labelSet, list, message, text } from './proto-message.ts'

/** Times in ms, both inclusive. */
const request = message('ExemplarsRequest', { query: text(1), startMs: int(2), endMs: int(3), strategy: int(4) })
export type ExemplarsRequest = ReturnType<typeof request.empty>

const exemplar = message('Exemplar', { labels: labelSet(1), value: double(2), timeMs: int(3) })
export type Exemplar = ReturnType<typeof exemplar.empty>

const item = message('ExemplarData', { seriesLabels: labelSet(1), exemplars: list(2, exemplar) })
export type SeriesExemplars = ReturnType<typeof item.empty>

export const exemplarsCall = peerCall('exemplars', '/thanos.Exemplars/Exemplars', { request, item })

/** By series without its replica labels, ascending; each exemplar once, by time. */
export function mergeExemplars(
  items: readonly SeriesExemplars[],
  replicaLabels: readonly string[],
): readonly SeriesExemplars[] {
  const replicas = new Set(replicaLabels)
  const bySeries = new Map<string, { seriesLabels: Labels; exemplars: Map<string, Exemplar> }>()
  for (const { seriesLabels, exemplars } of items) {
    if (exemplars.length === 0) continue
    const labels = withoutLabels(seriesLabels, replicas)
    const key = labelsKey(labels)
    const series = bySeries.get(key) ?? { seriesLabels: labels, exemplars: new Map<string, Exemplar>() }
    bySeries.set(key, series)
    for (const one of exemplars) series.exemplars.set(JSON.stringify([one.timeMs, String(one.value), one.labels]), one)
  }
  return [...bySeries.values()]
    .sort((a, b) => compareLabels(a.seriesLabels, b.seriesLabels))
    .map(({ seriesLabels, exemplars }) => ({ seriesLabels, exemplars: [...exemplars.values()].sort(compareExemplars) }))
}

function compareExemplars(a: Exemplar, b: Exemplar): number {
  return a.timeMs - b.timeMs || compareLabels(a.labels, b.labels) || a.value - b.value
}
