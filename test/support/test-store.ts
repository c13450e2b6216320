// A store gateway without its process: a BlockSet and its StoreApi over a bucket, index-headers in a temporary folder.
// Owns that folder until close().
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { MetaFetcher, type MetaFilter } from '../../lib/blocks/fetcher.ts'
import { deduplicateFilter } from '../../lib/blocks/filters.ts'
import { PageCache } from '../../lib/bytes/sync-bytes.ts'
import { asMnemoError } from '../../lib/kit/errors.ts'
import { Gate } from '../../lib/kit/gate.ts'
import { createLogger } from '../../lib/kit/log.ts'
import { Registry } from '../../lib/kit/metrics.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { BlockMirror } from '../../lib/store/block-mirror.ts'
import { BlockNotices, type ResyncEvent, sentError } from '../../lib/store/block-notices.ts'
import { BlockSet } from '../../lib/store/block-set.ts'
import { IndexCache } from '../../lib/store/index-cache.ts'
import { createStoreMetrics } from '../../lib/store/metrics.ts'
import { openIndexHeader } from '../../lib/store/open-index-header.ts'
import { SeriesCache } from '../../lib/store/series-cache.ts'
import { createSeriesServer } from '../../lib/store/series-server.ts'
import { labelledSpans, storeInfo } from '../../lib/store/store-info.ts'
import type { SeriesRequest, SeriesResponse, StoreApi, StoreSeries } from '../../lib/storeapi/types.ts'

export interface TestStore {
  readonly blocks: BlockSet
  /** The blocks of the thread that answers. */
  readonly mirror: BlockMirror
  readonly api: StoreApi
  readonly dataDir: string
  readonly registry: Registry
  close(): Promise<void>
}

export interface TestStoreOptions {
  readonly cacheBytes?: number
  readonly maxDownloadedBytes?: number
  /** Made in the data folder before the start. */
  readonly folders?: readonly string[]
  readonly prepare?: (dataDir: string) => Promise<void>
  /** Unless told, duplicates alone are left out. */
  readonly filters?: readonly MetaFilter[]
}

const bounds = { minTime: -62_167_219_200_000, maxTime: 253_402_300_799_000 }

/** Synced once. */
export async function openTestStore(bucket: Bucket, options: TestStoreOptions = {}): Promise<TestStore> {
  const dataDir = await mkdtemp(join(tmpdir(), 'mnemo-store-'))
  for (const folder of options.folders ?? []) await mkdir(join(dataDir, folder))
  await options.prepare?.(dataDir)
  const registry = new Registry()
  const logger = createLogger({ level: 'silent' })
  const metrics = createStoreMetrics(registry)
  const pages = new PageCache(1 << 20)
  const fetcher = new MetaFetcher({ bucket, filters: options.filters ?? [deduplicateFilter()], keepsKnown: true })
  const stopping = new AbortController()
  const reading = {
    bucket,
    cache: new IndexCache(options.cacheBytes ?? 16 << 20),
    seriesCache: new SeriesCache((options.cacheBytes ?? 16 << 20) / 4),
    gate: new Gate({ maxRunning: 16, maxBytes: 64 << 20 }),
  }
  // As between threads: what the mirror is told is data.
  const notices = new BlockNotices((notice) => mirror.apply(structuredClone(notice)))
  const resync = ({ token }: ResyncEvent) =>
    void blocks.resync(stopping.signal).then(
      () => notices.synced(token),
      (error: unknown) => notices.synced(token, sentError(asMnemoError(error))),
    )
  const mirror = new BlockMirror({ reading, pages, logger, ask: resync })
  const blocks = new BlockSet({
    dataDir,
    bucket,
    observer: notices,
    fetchBlocks: (signal) => fetcher.fetch(signal),
    openHeader: ({ ulid }, folder, signal) => openIndexHeader({ ulid, folder }, { bucket, pages, logger }, signal),
    loadConcurrency: 4,
    logger,
    metrics,
  })
  await blocks.sync(stopping.signal)
  const calls = createSeriesServer({
    blocks: mirror,
    metrics,
    bounds: () => bounds,
    maxDownloadedBytes: options.maxDownloadedBytes ?? 0,
    signal: stopping.signal,
  })
  const api: StoreApi = { ...calls, info: async () => storeInfo(labelledSpans(blocks.metas), bounds, true) }
  return {
    blocks,
    mirror,
    api,
    dataDir,
    registry,
    async close() {
      stopping.abort()
      // A thread that ends takes its files along; this one goes on.
      for (const { ulid } of blocks.metas) mirror.apply({ kind: 'removed', ulid })
      await blocks.close()
      await rm(dataDir, { recursive: true })
    },
  }
}

export interface CollectedSeries {
  readonly series: StoreSeries[]
  readonly warnings: string[]
  readonly queriedBlocks: readonly string[]
}

/** A whole Series answer. */
export async function collectSeries(api: StoreApi, request: SeriesRequest): Promise<CollectedSeries> {
  const responses: SeriesResponse[] = []
  for await (const response of api.series(request, new AbortController().signal)) responses.push(response)
  return {
    series: responses.flatMap((response) => (response.kind === 'series' ? [response.series] : [])),
    warnings: responses.flatMap((response) => (response.kind === 'warning' ? [response.warning] : [])),
    queriedBlocks: responses.flatMap((response) => (response.kind === 'hints' ? response.queriedBlocks : [])),
  }
}
