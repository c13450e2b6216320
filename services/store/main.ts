// The store gateway: serves the blocks of a bucket over StoreAPI.
// Flags, metrics and endpoints are Thanos's. The main thread keeps the blocks and serves HTTP, health and gRPC's connections; calls are
// answered in worker threads. Owns the wiring and the sync timer; the work is in lib/store.
import { setTimeout as sleep } from 'node:timers/promises'
import { MetaFetcher, type MetaFilter } from '../../lib/blocks/fetcher.ts'
import {
  consistencyDelayFilter,
  deduplicateFilter,
  replacedReplicaFilter,
  timeFilter,
} from '../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { readSelectorRules, relabelFilter } from '../../lib/blocks/relabel.ts'
import { PageCache } from '../../lib/bytes/sync-bytes.ts'
import { asMnemoError, MnemoError } from '../../lib/kit/errors.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { grpcOptionsOf, startGrpc } from '../../lib/kit/grpc.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { makeFolder } from '../../lib/kit/make-folder.ts'
import { addThreadMetrics } from '../../lib/kit/metrics.ts'
import { logGrpcCalls, logHttpRequests, readRequestLogging } from '../../lib/kit/request-logging.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket, type ReadObjstore, readObjstore, requireObjstoreConfig } from '../../lib/objstore/config.ts'
import { type BlockObserver, BlockSet } from '../../lib/store/block-set.ts'
import { IndexCache } from '../../lib/store/index-cache.ts'
import { createStoreMetrics, exposeIndexCache, type StoreMetrics } from '../../lib/store/metrics.ts'
import { openIndexHeader } from '../../lib/store/open-index-header.ts'
import { SeriesCache } from '../../lib/store/series-cache.ts'
import { SeriesGate } from '../../lib/store/series-gate.ts'
import { labelledSpans, storeInfo } from '../../lib/store/store-info.ts'
import { droppedSelects } from '../../lib/storeapi/limits.ts'
import { wireStoreService } from '../../lib/storeapi/server.ts'
import { encodeInfo } from '../../lib/storeapi/unary-messages.ts'
import type { WireStoreApi } from '../../lib/storeapi/wire-api.ts'
import { checkFlags, flags, limitsOf, type StoreFlags } from './config.ts'
import type { StoreWorkerConfig } from './jobs.ts'
import { StoreWorkers } from './workers.ts'

/** Range reads of the bucket under way at once, and their bytes. */
const fetchLimits = { maxRunning: 64, maxBytes: 128 << 20 }
/** Pages of index-headers, besides the samples that each keeps. */
const headerPagesBytes = 64 << 20
/** A sync that failed is tried again sooner than the next one is due. */
const retrySyncMs = 10_000

export async function main(argv: string[]): Promise<void> {
  await runService({ name: 'store', summary: "Serves a bucket's blocks over StoreAPI.", flags, argv, run })
}

async function run(values: StoreFlags, ctx: ServiceContext): Promise<void> {
  const { logger, registry, probe, signal } = ctx
  warnOfIgnored(flags, values, logger)
  checkFlags(values)
  const logging = readRequestLogging(values)
  const objstore = await readObjstore(requireObjstoreConfig(values), logger)
  const bucket = await createBucket(objstore, { registry, logger })
  ctx.onStop('bucket', () => bucket.close())
  await makeDataDir(values.dataDir)

  const metrics = createStoreMetrics(registry)
  // What workers count is there before they are, with nothing counted.
  exposeIndexCache(registry, new IndexCache(0), new SeriesCache(0))
  droppedSelects(registry)
  const bounds = () => timeBounds(values)
  const workers = new StoreWorkers({
    size: values.workers,
    config: workerConfig(values, objstore),
    bounds,
    gate: new SeriesGate(values.seriesMaxConcurrency, metrics),
    resync: () => blocks.resync(signal),
  })
  ctx.onStop('store workers', () => workers.close())
  addThreadMetrics(registry, () => workers.metrics())
  const blocks = createBlockSet(values, ctx, { bucket, metrics, observer: workers.notices })
  ctx.onStop('blocks', () => blocks.close())
  let isReady = false
  const api: WireStoreApi = {
    series: (request, asked) => workers.series(request, asked),
    labelNames: (request, asked) => workers.labelNames(request, asked),
    labelValues: (request, asked) => workers.labelValues(request, asked),
    info: async () => encodeInfo(storeInfo(labelledSpans(blocks.metas), bounds(), isReady)),
  }
  await startHttp({ ...ctx, address: values.httpAddress, graceMs: values.httpGracePeriodMs }, (app) =>
    logHttpRequests(app, logging.http, logger),
  )
  await startGrpc(
    { ...ctx, ...grpcOptionsOf(values), interceptor: logging.grpc && logGrpcCalls(logging.grpc, logger) },
    wireStoreService(api, { logger, ownsFrames: true }),
  )

  logger.info({ bucket: bucket.description, dataDir: values.dataDir }, 'synchronising blocks for the first time')
  await syncUntilDone(blocks, ctx)
  isReady = true
  probe.ready()
  logger.info({ blocks: blocks.metas.length }, 'store is ready')
  await keepSynced(values.syncBlockDurationMs, blocks, ctx)
}

/** Each worker's share of what the process may hold. */
function workerConfig(values: StoreFlags, objstore: ReadObjstore): StoreWorkerConfig {
  const { workers, logLevel, logFormat, maxDownloadedBytes } = values
  const share = (whole: number) => Math.ceil(whole / workers)
  return {
    objstore,
    indexCacheBytes: share(values.indexCacheSizeBytes),
    headerPagesBytes: share(headerPagesBytes),
    fetchLimits: { maxRunning: share(fetchLimits.maxRunning), maxBytes: share(fetchLimits.maxBytes) },
    maxDownloadedBytes,
    limits: limitsOf(values),
    logLevel,
    logFormat,
  }
}

function createBlockSet(
  values: StoreFlags,
  { logger, registry }: ServiceContext,
  { bucket, metrics, observer }: { bucket: Bucket; metrics: StoreMetrics; observer: BlockObserver },
): BlockSet {
  // What is looked into lies in the workers: here index-headers are built, opened and verified.
  const pages = new PageCache(0)
  const fetcher = new MetaFetcher({
    bucket,
    filters: filtersOf(values, bucket),
    dataDir: values.dataDir,
    keepsKnown: true,
    concurrency: values.blockMetaFetchConcurrency,
    logger,
    registry,
  })
  return new BlockSet({
    dataDir: values.dataDir,
    bucket,
    fetchBlocks: (signal) => fetcher.fetch(signal),
    openHeader: ({ ulid }, folder, signal) => openIndexHeader({ ulid, folder }, { bucket, pages, logger }, signal),
    loadConcurrency: values.blockSyncConcurrency,
    logger,
    metrics,
    observer,
  })
}

/** Thanos's filters in Thanos's order, and the one for replicas that were merged offline. */
function filtersOf(values: StoreFlags, bucket: Bucket): MetaFilter[] {
  const deletionMarks = ignoreDeletionMarkFilter(values.ignoreDeletionMarksDelayMs, { bucket })
  return [
    timeFilter(values.minTime, values.maxTime),
    relabelFilter(readSelectorRules(values)),
    consistencyDelayFilter(values.consistencyDelayMs),
    deletionMarks,
    deduplicateFilter(() => deletionMarks.marks),
    replacedReplicaFilter(),
  ]
}

function timeBounds({ minTime, maxTime }: StoreFlags): { minTime: number; maxTime: number } {
  const nowMs = Date.now()
  return { minTime: minTime.resolveMs(nowMs), maxTime: maxTime.resolveMs(nowMs) }
}

async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await makeFolder(dataDir)
  } catch (cause) {
    throw new MnemoError('config', `cannot use --data-dir=${dataDir}`, { cause })
  }
}

/** The first sync: a bucket that is away for now is waited for, one that refuses us ends the start. */
async function syncUntilDone(blocks: BlockSet, { logger, signal }: ServiceContext): Promise<void> {
  for (;;) {
    try {
      await blocks.sync(signal)
      return
    } catch (error) {
      if (signal.aborted || !asMnemoError(error).retryable) throw error
      logger.warn({ err: error, retryMs: retrySyncMs }, 'cannot synchronise blocks: trying again')
      await sleep(retrySyncMs, undefined, { signal })
    }
  }
}

async function keepSynced(intervalMs: number, blocks: BlockSet, { logger, signal }: ServiceContext): Promise<void> {
  for (let waitMs = intervalMs; ; ) {
    await sleep(waitMs, undefined, { signal })
    try {
      await blocks.sync(signal)
      waitMs = intervalMs
    } catch (error) {
      if (signal.aborted) throw error
      // What is loaded goes on answering.
      waitMs = Math.min(retrySyncMs, intervalMs)
      logger.error({ err: error, retryMs: waitMs }, 'cannot synchronise blocks')
    }
  }
}
