// The querier's metrics about its stores, named as in Thanos (pkg/query/endpointset.go).
// Owns no state: the gauge is filled when it is read.
import { MnemoError } from '../../lib/kit/errors.ts'
import { Gauge, type Registry } from '../../lib/kit/metrics.ts'
import { formatLabels } from '../../lib/labels/labels.ts'
import type { EndpointSet } from '../../lib/storeapi/endpoint-set.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'

/** Longer label values are cut, as Thanos cuts them: a store may announce thousands of label sets. */
const maxLabelsLength = 1000

/** What thanos_store_nodes_grpc_connections may be told apart by. */
export const connectionLabels = ['external_labels', 'store_type', 'ip_port'] as const
type ConnectionLabel = (typeof connectionLabels)[number]

/** The labels of a flag's texts, the usual ones where there are none. Throws `config`. */
export function readConnectionLabels(names: readonly string[]): readonly ConnectionLabel[] {
  if (names.length === 0) return ['external_labels', 'store_type']
  return [...new Set(names)].map((name) => {
    const label = connectionLabels.find((known) => known === name)
    if (label !== undefined) return label
    const want = connectionLabels.join(', ')
    throw new MnemoError('config', `flag --query.conn-metric.label: got "${name}", want any of ${want}`)
  })
}

/** thanos_store_nodes_grpc_connections: the stores that answer. */
export function exposeConnections(
  registry: Registry,
  endpoints: Pick<EndpointSet, 'endpoints'>,
  labelNames: readonly ConnectionLabel[],
): void {
  new Gauge({
    name: 'thanos_store_nodes_grpc_connections',
    help: 'Number of gRPC connection to Store APIs. Opened connection means healthy store APIs available for Querier.',
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset()
      for (const endpoint of endpoints.endpoints)
        if (endpoint.lastError === undefined)
          this.inc(Object.fromEntries(labelNames.map((name) => [name, connectionLabel(name, endpoint)])))
    },
  })
}

function connectionLabel(name: ConnectionLabel, endpoint: Endpoint): string {
  if (name === 'external_labels') return formatLabelSets(endpoint)
  return name === 'store_type' ? endpoint.componentType : endpoint.address
}

/** `{cluster="x"},{cluster="y"}`, in order. */
export function formatLabelSets({ labelSets }: Pick<Endpoint, 'labelSets'>): string {
  if (labelSets.length === 0) return 'no_external_labels'
  const text = labelSets.map(formatLabels).sort().join(',')
  return text.length > maxLabelsLength ? `${text.slice(0, maxLabelsLength - 1)}}` : text
}
