// The querier's metrics about its stores, named as in Thanos (pkg/query/endpointset.go).
// Owns no state: the gauge is filled when it is read.
import { Gauge, type Registry } from '../../lib/kit/metrics.ts'
import { formatLabels } from '../../lib/labels/labels.ts'
import type { EndpointSet } from '../../lib/storeapi/endpoint-set.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'

/** Longer label values are cut, as Thanos cuts them: a store may announce thousands of label sets. */
const maxLabelsLength = 1000

/** thanos_store_nodes_grpc_connections: the stores that answer, by external labels and component type. */
export function exposeConnections(registry: Registry, endpoints: EndpointSet): void {
  new Gauge({
    name: 'thanos_store_nodes_grpc_connections',
    help: 'Number of gRPC connection to Store APIs. Opened connection means healthy store APIs available for Querier.',
    labelNames: ['external_labels', 'store_type'],
    registers: [registry],
    collect() {
      this.reset()
      for (const endpoint of endpoints.endpoints)
        if (endpoint.lastError === undefined)
          this.inc({ external_labels: formatLabelSets(endpoint), store_type: endpoint.componentType })
    },
  })
}

/** `{cluster="x"},{cluster="y"}`, in order. */
export function formatLabelSets({ labelSets }: Pick<Endpoint, 'labelSets'>): string {
  if (labelSets.length === 0) return 'no_external_labels'
  const text = labelSets.map(formatLabels).sort().join(',')
  return text.length > maxLabelsLength ? `${text.slice(0, maxLabelsLength - 1)}}` : text
}
