// The querier: Prometheus's HTTP API over many stores. Wires flags, discovery, workers and routes together.
// The main thread serves HTTP and keeps the list of stores fresh; queries run in workers.
import { grpcOptionsOf, startGrpc } from '../../lib/kit/grpc.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { createStoreClient, type StoreClient } from '../../lib/storeapi/client.ts'
import { type Endpoint, EndpointSet } from '../../lib/storeapi/endpoints.ts'
import { registerApi } from './api/routes.ts'
import { WorkerBackend } from './backend.ts'
import { checkFlags, flags, flagTexts, type QueryFlags } from './config.ts'
import { exposeConnections, formatLabelSets } from './metrics.ts'
import { renderPage } from './page.ts'

const summary = "Prometheus's HTTP API over StoreAPIs: fans out, deduplicates replicas, runs PromQL."
const discoveryIntervalMs = 5_000

export async function main(argv: string[]): Promise<void> {
  await runService({ name: 'query', summary, flags, argv, run: (values, ctx) => run(checkFlags(values), ctx) })
}

async function run(values: QueryFlags, ctx: ServiceContext): Promise<void> {
  const { logger, registry, signal, probe } = ctx
  const endpoints = openEndpoints(values, ctx)
  exposeConnections(registry, endpoints)
  const backend = openBackend(values, endpoints, ctx)
  const { httpAddress: address, httpGracePeriodMs: graceMs } = values
  await startHttp({ ...ctx, address, graceMs }, (app) => {
    registerApi(app, backend, values)
    app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(renderPage(endpoints.statuses)))
  })
  await startGrpc({ ...ctx, ...grpcOptionsOf(values) }, []) // gRPC health alone
  if (values.endpoint.length === 0) logger.warn('no --endpoint is given: there is nothing to query')
  await Promise.all([endpoints.refresh(signal), backend.warmUp(signal)])
  probe.ready()
  await endpoints.keepFresh(discoveryIntervalMs, signal)
}

function openEndpoints(values: QueryFlags, { logger, onStop }: ServiceContext): EndpointSet {
  const clients: StoreClient[] = []
  onStop('store connections', () => {
    for (const client of clients) client.close()
  })
  return new EndpointSet({
    addresses: values.endpoint,
    connect: (address) => {
      const client = createStoreClient(address)
      clients.push(client)
      return client
    },
    infoTimeoutMs: values.infoTimeoutMs,
    unhealthyTimeoutMs: values.unhealthyTimeoutMs,
    onChange: (endpoint) => logChange(endpoint, logger),
  })
}

function logChange(endpoint: Endpoint, logger: Logger): void {
  const { address, componentType, lastError, hasStore } = endpoint
  if (lastError !== undefined) logger.warn({ address, error: lastError }, 'store is down')
  else if (!hasStore) logger.warn({ address, type: componentType }, 'endpoint serves no StoreAPI')
  else logger.info({ address, type: componentType, labels: formatLabelSets(endpoint) }, 'store is up')
}

function openBackend(values: QueryFlags, endpoints: EndpointSet, { registry, onStop }: ServiceContext): WorkerBackend {
  const { workers, maxConcurrent, timeoutMs, dedupFunction, responseTimeoutMs, maxSamples, maxMemoryBytes } = values
  const backend = new WorkerBackend({
    endpoints,
    workers,
    maxConcurrent,
    timeoutMs,
    registry,
    config: {
      dedupFunction,
      responseTimeoutMs,
      maxSamples,
      maxMemoryBytes,
      fetchLimits: { maxSeries: values.maxSeries, maxBytes: values.maxFetchedBytes },
      lookbackMs: values.lookbackDeltaMs,
      defaultSubqueryStepMs: values.defaultEvaluationIntervalMs,
    },
    flags: flagTexts(values),
  })
  onStop('query workers', () => backend.close())
  return backend
}
