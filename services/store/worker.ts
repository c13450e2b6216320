// A store worker: answers StoreAPI calls over the blocks that the main thread tells it of, bytes in and frames out.
// Started by workers.ts through lib/kit/workers.ts; several calls run in it by turns.
// Owns its share of the caches and a connection to the bucket.
import { workerData } from 'node:worker_threads'
import { PageCache } from '../../lib/bytes/sync-bytes.ts'
import { asMnemoError } from '../../lib/kit/errors.ts'
import { Gate } from '../../lib/kit/gate.ts'
import { createLogger } from '../../lib/kit/log.ts'
import { Registry } from '../../lib/kit/metrics.ts'
import { Moved, postEvent, serveWorker } from '../../lib/kit/workers.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { BlockMirror } from '../../lib/store/block-mirror.ts'
import type { BlockNotice } from '../../lib/store/block-notices.ts'
import { IndexCache } from '../../lib/store/index-cache.ts'
import { createStoreMetrics, exposeIndexCache } from '../../lib/store/metrics.ts'
import { SeriesCache } from '../../lib/store/series-cache.ts'
import { createSeriesServer } from '../../lib/store/series-server.ts'
import type { TimeBounds } from '../../lib/store/store-info.ts'
import { limitSeries } from '../../lib/storeapi/limits.ts'
import { wireCalls } from '../../lib/storeapi/wire-api.ts'
import type { StoreAnswer, StoreJob, StoreWorkerConfig } from './jobs.ts'

/** Frames travel together once they have so many bytes: the first ones at once, then more and more. */
const firstPartBytes = 1
const largestPartBytes = 256 << 10
/** Of the index cache, for entries that are decoded already. */
const maxSeriesCacheBytes = 16 << 20
/** What has been here so long goes, however little it is: a block may be slow. */
const longestHoldMs = 20

const config = workerData as StoreWorkerConfig
const registry = new Registry()
const logger = createLogger({ level: config.logLevel, format: config.logFormat })
const seriesCache = new SeriesCache(Math.min(config.indexCacheBytes / 4, maxSeriesCacheBytes))
const cache = new IndexCache(config.indexCacheBytes - seriesCache.maxBytes)
exposeIndexCache(registry, cache, seriesCache)
const metrics = createStoreMetrics(registry)
const processEnds = new AbortController()

void serve()

async function serve(): Promise<void> {
  const bucket = await createBucket(config.objstore, { registry })
  const blocks = new BlockMirror({
    reading: { bucket, cache, seriesCache, gate: new Gate(config.fetchLimits) },
    pages: new PageCache(config.headerPagesBytes),
    logger,
    ask: postEvent,
  })
  const { maxDownloadedBytes, limits } = config
  const callsWithin = (bounds: TimeBounds) => {
    const options = { blocks, metrics, bounds: () => bounds, maxDownloadedBytes, signal: processEnds.signal }
    return wireCalls(limitSeries(createSeriesServer(options), limits, registry))
  }
  const answer = (job: StoreJob, signal: AbortSignal) => {
    switch (job.kind) {
      case 'series':
        return logged(together(callsWithin(job.bounds).series(job.request, signal)))
      case 'labelNames':
      case 'labelValues':
        return logged(one(callsWithin(job.bounds)[job.kind](job.request, signal)))
      case 'metrics':
        return registry.getMetricsAsJSON().then((metrics) => ({ metrics }))
      default:
        return job satisfies never
    }
  }
  serveWorker<StoreJob, StoreAnswer>(answer, { onNotice: (notice) => blocks.apply(notice as BlockNotice) })
}

async function* together(frames: AsyncIterable<Uint8Array>): AsyncGenerator<Moved<StoreAnswer>> {
  let part: Uint8Array[] = []
  let bytes = 0
  let wantedBytes = firstPartBytes
  let sentMs = performance.now()
  for await (const frame of frames) {
    part.push(frame)
    bytes += frame.length
    if (bytes < wantedBytes && performance.now() - sentMs < longestHoldMs) continue
    yield moved(part)
    part = []
    bytes = 0
    wantedBytes = Math.min(Math.max(2 * wantedBytes, 64 << 10), largestPartBytes)
    sentMs = performance.now()
  }
  if (part.length > 0) yield moved(part)
}

/** Each frame has memory of its own. */
function moved(frames: readonly Uint8Array[]): Moved<StoreAnswer> {
  return new Moved(
    { frames },
    frames.map(({ buffer }) => buffer as ArrayBuffer),
  )
}

async function* logged(answers: AsyncGenerator<Moved<StoreAnswer>>): AsyncGenerator<Moved<StoreAnswer>> {
  try {
    yield* answers
  } catch (error) {
    const known = asMnemoError(error)
    if (known.code === 'internal') logger.error({ err: known.cause ?? known }, 'StoreAPI call failed')
    throw error
  }
}

async function* one(answer: Promise<Uint8Array>): AsyncGenerator<Moved<StoreAnswer>> {
  yield moved([await answer])
}
