// The querier: Prometheus's HTTP API over many stores. Wires flags, discovery, workers and routes together.
// The main thread serves HTTP and keeps the list of stores fresh; queries run in workers.
import { keepsLabels, readSelectorRules } from '../../lib/blocks/relabel.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { type GrpcService, grpcOptionsOf, startGrpc } from '../../lib/kit/grpc.ts'
import { clientCallMetrics, observeClientCalls } from '../../lib/kit/grpc-client-metrics.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Logger } from '../../lib/kit/log.ts'
import { logGrpcCalls, readRequestLogging } from '../../lib/kit/request-logging.ts'
import { parseFlagLabels } from '../../lib/labels/flag-labels.ts'
import { type Labels, overlayLabels } from '../../lib/labels/labels.ts'
import { EndpointSet, type EndpointTarget } from '../../lib/storeapi/endpoint-set.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'
import { limitSeries } from '../../lib/storeapi/limits.ts'
import { createProxy } from '../../lib/storeapi/proxy.ts'
import { storeService } from '../../lib/storeapi/server.ts'
import { narrowEndpoint } from '../../lib/storeapi/tsdb-selector.ts'
import { WorkerBackend } from './backend.ts'
import { checkFlags, flags, flagTexts, type QueryFlags } from './config.ts'
import { peerPartialResponseOf } from './config-web.ts'
import { Connections } from './connections.ts'
import { Discovery } from './discovery.ts'
import { readFeatures } from './features.ts'
import { queryService } from './grpc-query.ts'
import { exposeConnections, formatLabelSets, readConnectionLabels } from './metrics.ts'
import { Peers, proxiedApis } from './peers.ts'
import { registerWeb } from './web.ts'

const summary = "Prometheus's HTTP API over StoreAPIs: fans out, deduplicates replicas, runs PromQL."
const infoIntervalMs = 5_000

export async function main(argv: string[]): Promise<void> {
  await runService({
    name: 'query',
    summary,
    flags,
    argv,
    run(values, ctx) {
      warnOfIgnored(flags, values, ctx.logger)
      return run(checkFlags(values), ctx)
    },
  })
}

async function run(values: QueryFlags, ctx: ServiceContext): Promise<void> {
  const { logger, registry, signal, probe } = ctx
  const calls = clientCallMetrics(registry)
  const connections = new Connections([observeClientCalls(calls)])
  const discovery = new Discovery({ values, registry, logger })
  const logging = readRequestLogging(values)
  const endpoints = openEndpoints(values, { discovery, connections }, ctx)
  exposeConnections(registry, endpoints, readConnectionLabels(values.connectionMetricLabels))
  const stores = selectStores(values, endpoints)
  const backend = openBackend(values, { stores, calls }, ctx)
  const syntax = readFeatures(values.enableFeature)
  const timeoutMs = Math.min(values.timeoutMs, values.responseTimeoutMs || Number.POSITIVE_INFINITY)
  const asked = Promise.withResolvers<void>()
  const peers = new Peers({ stores: endpoints, connections, syntax, timeoutMs })
  const { httpAddress: address, httpGracePeriodMs: graceMs } = values
  await startHttp({ ...ctx, address, graceMs }, (app) => {
    const api = {
      ...values,
      peers,
      syntax,
      features: syntax,
      configYaml: () => discovery.configYaml,
      peerPartialResponse: peerPartialResponseOf(values),
    }
    registerWeb(app, backend, { values, api, logging, logger, storesAsked: asked.promise })
  })
  await startGrpc(
    { ...ctx, ...grpcOptionsOf(values), interceptor: logging.grpc && logGrpcCalls(logging.grpc, logger) },
    grpcServices(values, { stores, connections, backend, peers }, ctx),
  )
  if (discovery.isEmpty) logger.warn('no --endpoint is given: there is nothing to query')
  const setTargets = async (targets: readonly EndpointTarget[]) => {
    endpoints.setTargets(targets)
    await endpoints.refresh(signal)
  }
  await discovery.resolve()
  await setTargets(discovery.targets)
  asked.resolve()
  await Promise.all([
    endpoints.keepFresh(infoIntervalMs, signal),
    discovery.keepFresh(setTargets, signal),
    backend.warmUp(signal).then(() => probe.ready()),
  ])
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

type Stores = Pick<EndpointSet, 'endpoints' | 'statuses' | 'tsdbInfos'>

/** The endpoints as queries see them: what the selector flags leave of them. */
function selectStores(values: QueryFlags, set: EndpointSet): Stores {
  const rules = readSelectorRules(values)
  const keeps = (labels: Labels) => keepsLabels(labels, rules)
  const selectorLabels = parseFlagLabels('selector-label', values.selectorLabels)
  return {
    get endpoints() {
      return set.endpoints.map((endpoint) => narrowEndpoint(endpoint, { keeps, selectorLabels }))
    },
    get statuses() {
      return set.statuses
    },
    get tsdbInfos() {
      const infos = set.tsdbInfos.filter(({ labels }) => keeps(labels))
      return infos.map((info) => ({ ...info, labels: overlayLabels(info.labels, selectorLabels) }))
    },
  }
}

/** What a querier above this one, or Thanos's, asks: StoreAPI, Info, and whole queries. */
function grpcServices(
  values: QueryFlags,
  parts: { stores: Stores; connections: Connections; backend: WorkerBackend; peers: Peers },
  { logger, registry }: ServiceContext,
): GrpcService[] {
  const { stores, connections, backend, peers } = parts
  const proxy = createProxy({
    stores,
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

function openBackend(
  values: QueryFlags,
  { stores, calls }: { stores: Stores; calls: ReturnType<typeof clientCallMetrics> },
  { registry, onStop }: ServiceContext,
): WorkerBackend {
  const { workers, maxConcurrent, timeoutMs, dedupFunction, maxSamples, maxMemoryBytes } = values
  const { responseTimeoutMs, infoTimeoutMs } = values
  const backend = new WorkerBackend({
    endpoints: stores,
    workers,
    maxConcurrent,
    timeoutMs,
    registry,
    config: {
      dedupFunction,
      responseTimeoutMs,
      infoTimeoutMs,
      maxSamples,
      maxMemoryBytes,
      features: readFeatures(values.enableFeature),
      fetchLimits: { maxSeries: values.maxSeries, maxBytes: values.maxFetchedBytes },
      lookbackMs: values.lookbackDeltaMs,
      dynamicLookback: values.dynamicLookback,
      defaultSubqueryStepMs: values.defaultEvaluationIntervalMs,
    },
    onClientCalls: calls.replay,
    flags: flagTexts(values),
  })
  onStop('query workers', () => backend.close())
  return backend
}
