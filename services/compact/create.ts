// The compactor of a service's flags: its bucket, its filters in Thanos's order, its worker threads.
// Specification: Thanos cmd/thanos/compact.go.
// Owns what is made here until the service stops.
import { join } from 'node:path'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { consistencyDelayFilter, deduplicateFilter, replicaLabelRemover, timeFilter } from '../../lib/blocks/filters.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { readSelectorRules, relabelFilter } from '../../lib/blocks/relabel.ts'
import type { BucketView, ViewSources } from '../../lib/compact/block-sync.ts'
import { Compactor } from '../../lib/compact/compactor.ts'
import type { CompactorJob, JobOutcome } from '../../lib/compact/job.ts'
import type { CompactMetrics } from '../../lib/compact/metrics.ts'
import type { ServiceContext } from '../../lib/kit/lifecycle.ts'
import { gauge } from '../../lib/kit/metrics.ts'
import { moduleUrl } from '../../lib/kit/module-url.ts'
import { WorkerPool } from '../../lib/kit/workers.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { serveBucket } from '../../lib/objstore/port-bucket.ts'
import { type CompactConfig, rangesOf, replicaLabelsOf, retentionOf } from './config.ts'

/** Far more than a job takes, whose memory does not grow with its blocks. */
const workerHeapMiB = 1024

/** Through which the bucket is seen; with `dataDir` metas are kept on disk. */
export function createSources(
  config: CompactConfig,
  { bucket, ctx, dataDir }: { readonly bucket: Bucket; readonly ctx: ServiceContext; readonly dataDir?: string },
): ViewSources {
  const { logger, registry } = ctx
  const concurrency = config.metaFetchConcurrency
  const replicaLabels = replicaLabelsOf(config)
  // A marked block stays in view for half the delay: its replacement may not be there yet.
  const deletionMarks = ignoreDeletionMarkFilter(config.deleteDelayMs / 2, { bucket, logger, concurrency })
  const duplicates = deduplicateFilter(() => deletionMarks.marks)
  const noCompactMarks = gatherMarksFilter('no-compact', { bucket, logger, concurrency })
  const noDownsampleMarks = gatherMarksFilter('no-downsample', { bucket, logger, concurrency })
  const filters = [
    timeFilter(config.minTime, config.maxTime),
    relabelFilter(readSelectorRules(config), replicaLabels),
    consistencyDelayFilter(config.consistencyDelayMs, registry),
    deletionMarks,
    replicaLabelRemover(replicaLabels, logger),
    duplicates,
    noCompactMarks,
    noDownsampleMarks,
  ]
  const fetcher = new MetaFetcher({ bucket, filters, dataDir, concurrency, logger, registry })
  return { fetcher, deletionMarks, duplicates, noCompactMarks, noDownsampleMarks }
}

export interface CompactorParts {
  readonly bucket: Bucket
  readonly sources: ViewSources
  readonly metrics: CompactMetrics
  readonly onView: (view: BucketView) => void
  /** Told of bytes that were read from blocks. */
  readonly onRead?: (bytes: number) => void
}

export function createCompactor(config: CompactConfig, ctx: ServiceContext, parts: CompactorParts): Compactor {
  const { sources, bucket, metrics, onView, onRead } = parts
  // Started at once: loading a thread's modules takes as long as reading the bucket's metas.
  const pool = new WorkerPool<CompactorJob, JobOutcome>(moduleUrl('services/compact/worker.ts'), {
    size: Math.max(config.concurrency, config.downsampleConcurrency),
    name: 'compactor',
    youngHeapMiB: 6,
    heapMiB: workerHeapMiB,
    onPort: (port) => serveBucket(bucket, port, { onRead }),
  })
  ctx.onStop('workers', () => pool.close())
  gauge(ctx.registry, { name: 'thanos_delete_delay_seconds', help: 'Configured delete delay in seconds.' }).set(
    config.deleteDelayMs / 1000,
  )
  return new Compactor({
    ...sources,
    bucket,
    onView,
    runJob: (job, signal) => pool.run(job, { signal }),
    workFolder: join(config.dataDir, 'compact'),
    upload: { concurrency: config.filesConcurrency, hashFunc: config.hashFunc },
    diskLimitBytes: config.diskLimitBytes,
    rangesMs: rangesOf(config),
    maxIndexBytes: config.maxIndexBytes,
    overlap: config.dedupFunction === 'penalty' ? 'penalty' : 'one-to-one',
    deleteDelayMs: config.deleteDelayMs,
    retention: retentionOf(config),
    downsampling: !config.downsamplingDisable,
    concurrency: config.concurrency,
    downsampleConcurrency: config.downsampleConcurrency,
    logger: ctx.logger,
    metrics,
  })
}
