// The gRPC Metadata API: what metrics are, by name: type, help and unit, as scrape targets say.
// Specification: Thanos pkg/metadata/metadatapb/rpc.proto (proto/metadata.proto).
// Owns the messages, and the merging of several peers' answers: each entry once, in the order of the peers.
import { MnemoError } from '../kit/errors.ts'
import { compareStrings } from '../labels/labels.ts'
import { peerCall } from './peer-call.ts'
import { int, list, mapOf, message, text } from './proto-message.ts'

const metricMeta = message('Meta', { type: text(1), help: text(2), unit: text(3) })
export type MetricMeta = ReturnType<typeof metricMeta.empty>

/** metric '': every one; limit below 0: all of them. */
const request = message('MetricMetadataRequest', { metric: text(1), limit: int(2), strategy: int(3) })
export type MetadataRequest = ReturnType<typeof request.empty>

const item = message('MetricMetadata', {
  metadata: mapOf(1, message('MetricMetadataEntry', { metas: list(2, metricMeta) })),
})
export type MetadataItem = ReturnType<typeof item.empty>

export const metadataCall = peerCall('metadata', '/thanos.Metadata/MetricMetadata', { request, item })

/** What metrics are, by name. */
export type Metadata = ReadonlyMap<string, readonly MetricMeta[]>

/** Most metrics of all peers together. */
const maxMetrics = 1_000_000

/** An answer of one's own, from what is known by name. */
export function metadataItem(metadata: Metadata): MetadataItem {
  return { metadata: new Map([...metadata].map(([name, metas]) => [name, { metas }])) }
}

/** The first `limit` (below 0: all) metrics by name, of all items. Throws `resource_exhausted` where there are too many. */
export function mergeMetadata(items: readonly MetadataItem[], limit: number): Metadata {
  const merged = new Map<string, MetricMeta[]>()
  for (const { metadata } of items)
    for (const [name, { metas }] of metadata) {
      let known = merged.get(name)
      if (known === undefined) {
        if (merged.size >= maxMetrics)
          throw new MnemoError('resource_exhausted', `cannot read metadata: got more than ${maxMetrics} metrics`)
        known = []
        merged.set(name, known)
      }
      for (const meta of metas) if (!known.some((other) => isEqual(meta, other))) known.push(meta)
    }
  const all = [...merged].sort(([a], [b]) => compareStrings(a, b))
  return new Map(limit < 0 ? all : all.slice(0, limit))
}

function isEqual(a: MetricMeta, b: MetricMeta): boolean {
  return a.type === b.type && a.help === b.help && a.unit === b.unit
}
