// A query worker: parses, evaluates and encodes queries over its own connections to the stores.
// Started by backend.ts through lib/kit/workers.ts; several jobs run in it by turns.
// Owns one connection to each store and the kernels of its queries.
import { workerData } from 'node:worker_threads'
import { KernelPool } from '../../lib/kernels/kernel-pool.ts'
import { observeClientCalls, reportClientCalls } from '../../lib/kit/grpc-client-metrics.ts'
import { Moved, postEvent, serveWorker } from '../../lib/kit/workers.ts'
import { execute, warmUp } from '../../lib/promql/exec/engine.ts'
import type { QueryResult } from '../../lib/promql/exec/result.ts'
import { parseExpr } from '../../lib/promql/parse/parser.ts'
import { createStoreClient, type StoreClient } from '../../lib/storeapi/client.ts'
import type { Endpoint } from '../../lib/storeapi/endpoints.ts'
import { Fanout, type FanoutOptions } from '../../lib/storeapi/fanout.ts'
import type { Found } from './api/backend.ts'
import { type EncodedResult, encodeQueryResult } from './api/encode.ts'
import { encodeAnalysis } from './api/explain.ts'
import { Fetched } from './fetched.ts'
import { encodeFrames } from './frames.ts'
import type { FramesJob, Job, JobResult, LookupJob, QueryJob, WorkerConfig } from './jobs.ts'
import { queryLookbackMs } from './lookback.ts'
import { labelNames, labelValues, series } from './lookups.ts'
import { FanoutQueryable } from './queryable.ts'

const config = workerData as WorkerConfig
const kernelPool = new KernelPool({ maxMemoryBytes: config.maxMemoryBytes })
/** By what they connect to: see keyOf(). */
const clients = new Map<string, StoreClient>()
const interceptors = [observeClientCalls(reportClientCalls(postEvent))]

/** A file of endpoints may tell another way to the same address. */
function keyOf({ address, tls }: Endpoint): string {
  return JSON.stringify([address, tls])
}

function client(endpoint: Endpoint): StoreClient {
  const { address, tls } = endpoint
  const key = keyOf(endpoint)
  let known = clients.get(key)
  if (known === undefined) {
    known = createStoreClient(address, { ...(tls && { tls }), interceptors })
    clients.set(key, known)
  }
  return known
}

/** Ends the connections to stores that are known no more; they have been gone for minutes. */
function forget(endpoints: readonly Endpoint[]): void {
  if (clients.size <= endpoints.length) return
  const known = new Set(endpoints.map(keyOf))
  for (const [key, connection] of clients) {
    if (known.has(key)) continue
    connection.close()
    clients.delete(key)
  }
}

function storesOf({ endpoints, scope }: QueryJob | FramesJob | LookupJob): Omit<FanoutOptions, 'onWarning'> {
  const { storeMatchers, partialResponse } = scope
  return { endpoints, storeMatchers, partialResponse, client, responseTimeoutMs: config.responseTimeoutMs }
}

/** Evaluates a query and encodes its result, which may borrow from kernel memory until then. */
function evaluate<T>(job: QueryJob | FramesJob, signal: AbortSignal, encode: (result: QueryResult) => T): Promise<T> {
  const { query, startMs, endMs, stepMs, scope } = job
  return kernelPool.use(async (kernels) => {
    const { replicaLabels } = scope
    const { dedupFunction, maxSamples, fetchLimits, defaultSubqueryStepMs } = config
    const fetched = new Fetched(job.fetched)
    const lookbackMs = queryLookbackMs(job, config, Date.now())
    const resolution = { maxResolutionMs: job.maxSourceResolutionMs, lookbackMs }
    const data = { replicaLabels, dedupFunction, ...resolution, fetched, fetchLimits }
    const analyze = job.analyze ?? false
    const queryable = new FanoutQueryable({ stores: storesOf(job), kernels, countsStores: analyze, ...data })
    const result = await execute({
      query,
      expr: parseExpr(query, config.features),
      delayedNameRemoval: config.features.delayedNameRemoval ?? false,
      startTimestamps: config.features.startTimestamps ?? false,
      typeAndUnitLabels: config.features.typeAndUnitLabels ?? false,
      startMs,
      endMs,
      stepMs,
      lookbackMs,
      queryable,
      kernels,
      signal,
      maxSamples,
      analyze,
      countSamples: job.countSamples ?? false,
      defaultSubqueryStepMs: () => defaultSubqueryStepMs,
    })
    queryable.close()
    return encode(result)
  })
}

async function runQuery(job: QueryJob, signal: AbortSignal): Promise<Moved<EncodedResult>> {
  const startMs = performance.now()
  const isByStep = config.features.perStepStats ?? false
  const encoded = await evaluate(job, signal, (result) => ({
    ...encodeQueryResult(result, job.limit),
    ...(result.analysis && { analysis: encodeAnalysis(result.analysis) }),
    ...(result.sampleCounts && {
      stats: { samples: result.sampleCounts, evalMs: performance.now() - startMs, isByStep },
    }),
  }))
  return new Moved(
    encoded,
    encoded.fields.map(({ buffer }) => buffer),
  )
}

async function lookUp<T>(job: LookupJob, ask: (fanout: Fanout) => Promise<readonly T[]>): Promise<Found<T>> {
  const warnings = new Set<string>()
  const values = await ask(new Fanout({ ...storesOf(job), onWarning: (warning) => warnings.add(warning) }))
  return { values, warnings: [...warnings] }
}

/** A store that is down, or does not answer in time, is no matter here: the endpoint set tells of it. */
async function prepare(endpoints: readonly Endpoint[], signal: AbortSignal): Promise<undefined> {
  await kernelPool.use(async (kernels) => warmUp(kernels))
  const up = endpoints.filter(({ lastError }) => lastError === undefined)
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(config.infoTimeoutMs)])
  await Promise.allSettled(up.map(async (endpoint) => client(endpoint).info(bounded)))
}

serveWorker<Job, JobResult>((job, signal) => {
  forget(job.endpoints)
  switch (job.kind) {
    case 'warmUp':
      return prepare(job.endpoints, signal)
    case 'query':
      return runQuery(job, signal)
    case 'queryFrames':
      return evaluate(job, signal, (result) => encodeFrames(result, job.batchSize))
    case 'labelNames':
      return lookUp(job, (fanout) => labelNames(fanout, job, signal))
    case 'labelValues':
      return lookUp(job, (fanout) => labelValues(fanout, job, signal))
    case 'series':
      return lookUp(job, (fanout) => series(fanout, job, signal))
    default:
      return job satisfies never
  }
})
