// The querier: Prometheus's HTTP API over many stores. Wires flags, discovery, workers and routes together.
// The main thread serves HTTP and keeps the list of stores fresh; queries run in workers.
import { type GrpcService, grpcOptionsOf, startGrpc } from '../../lib/kit/grpc.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { EndpointSet, type EndpointTarget } from '../../lib/storeapi/endpoint-set.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'
import { limitSeries } from '../../lib/storeapi/limits.ts'
import { createProxy } from '../../lib/storeapi/proxy.ts'
import { storeService } from '../../lib/storeapi/server.ts'
import { registerApi } from './api/routes.ts'
import { WorkerBackend } from './backend.ts'
import { checkFlags, flags, flagTexts, type QueryFlags } from './config.ts'
import { Connections } from './connections.ts'
import { Discovery } from './discovery.ts'
import { readFeatures } from './features.ts'
import { queryService } from './grpc-query.ts'
import { exposeConnections, formatLabelSets } from './metrics.ts'
import { renderPage } from './page.ts'
import { Peers, proxiedApis } from './peers.ts'

const summary = "Prometheus's HTTP API over StoreAPIs: fans out, deduplicates replicas, runs PromQL."
const infoIntervalMs = 5_000

export async function main(argv: string[]): Promise<void> {
  await runService({ name: 'query', summary, flags, argv, run: (values, ctx) => run(checkFlags(values), ctx) })
}

async function run(values: QueryFlags, ctx: ServiceContext): Promise<void> {
  const { logger, registry, signal, probe } = ctx
  const connections = new Connections()
  const discovery = new Discovery({ values, registry, logger })
  const endpoints = openEndpoints(values, { discovery, connections }, ctx)
  exposeConnections(registry, endpoints)
  const backend = openBackend(values, endpoints, ctx)
  const syntax = readFeatures(values.enableFeature)
  const peers = new Peers({ stores: endpoints, connections, syntax })
  const { httpAddress: address, httpGracePeriodMs: graceMs } = values
  await startHttp({ ...ctx, address, graceMs }, (app) => {
    registerApi(app, backend, { ...values, peers, syntax })
    app.get('/', (_request, reply) => reply.type('text/html; charset=utf-8').send(renderPage(endpoints.statuses)))
  })
  await startGrpc(
    { ...ctx, ...grpcOptionsOf(values) },
    grpcServices(values, { endpoints, connections, backend, peers }, ctx),
  )
  if (discovery.isEmpty) logger.warn('no --endpoint is given: there is nothing to query')
  const setTargets = async (targets: readonly EndpointTarget[]) => {
    endpoints.setTargets(targets)
    await endpoints.refresh(signal)
  }
  await discovery.resolve()
  await setTargets(discovery.targets)
  await backend.warmUp(signal)
  probe.ready()
  await Promise.all([endpoints.keepFresh(infoIntervalMs, signal), discovery.keepFresh(setTargets, signal)])
}

function openEndpoints(
  values: QueryFlags,
  { discovery, connections }: { discovery: Discovery; connections: Connections },
  { logger, onStop }: ServiceContext,
): EndpointSet {
  const set = new EndpointSet({
    targets: discovery.targets,
    connect: (target) => connections.open(target),
    infoTimeoutMs: values.infoTimeoutMs,
    unhealthyTimeoutMs: values.unhealthyTimeoutMs,
    onChange: (endpoint) => logChange(endpoint, logger),
  })
  onStop('store connections', () => set.close())
  return set
}

/** What a querier above this one, or Thanos's, asks: StoreAPI, Info, and whole queries. */
function grpcServices(
  values: QueryFlags,
  parts: { endpoints: EndpointSet; connections: Connections; backend: WorkerBackend; peers: Peers },
  { logger, registry }: ServiceContext,
): GrpcService[] {
  const { endpoints, connections, backend, peers } = parts
  const proxy = createProxy({
    stores: endpoints,
    client: (endpoint) => connections.of(endpoint),
    responseTimeoutMs: values.responseTimeoutMs,
    apis: ['query', ...proxiedApis],
  })
  return [
    ...storeService(limitSeries(proxy, values, registry), { logger }),
    queryService({ backend, replicaLabels: values.replicaLabels, syntax: readFeatures(values.enableFeature), logger }),
    ...peers.services({ logger }),
  ]
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
      features: readFeatures(values.enableFeature),
      fetchLimits: { maxSeries: values.maxSeries, maxBytes: values.maxFetchedBytes },
      lookbackMs: values.lookbackDeltaMs,
      defaultSubqueryStepMs: values.defaultEvaluationIntervalMs,
    },
    flags: flagTexts(values),
  })
  onStop('query workers', () => backend.close())
  return backend
}
