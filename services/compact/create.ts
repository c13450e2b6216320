// The compactor of a service's flags: its filters in Thanos's order, its bucket for its threads.
// Specification: Thanos cmd/thanos/compact.go.
// Owns what is made here until the service stops.
import { join } from 'node:path'
import { MetaFetcher, type MetaFilter } from '../../lib/blocks/fetcher.ts'
import { consistencyDelayFilter, deduplicateFilter, replicaLabelRemover, timeFilter } from '../../lib/blocks/filters.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { readSelectorText } from '../../lib/blocks/selector-flags.ts'
import type { BucketView, ViewSources } from '../../lib/compact/block-sync.ts'
import { Compactor } from '../../lib/compact/compactor.ts'
import type { CompactMetrics } from '../../lib/compact/metrics.ts'
import type { ServiceContext } from '../../lib/kit/lifecycle.ts'
import { gauge } from '../../lib/kit/metrics.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { serveBucket } from '../../lib/objstore/port-bucket.ts'
import { type CompactConfig, rangesOf, replicaLabelsOf, retentionOf } from './config.ts'
import type { CompactorThreads } from './threads.ts'

/** Through which the bucket is seen; with `dataDir` metas are kept on disk. */
export async function createSources(
  config: CompactConfig,
  { bucket, ctx, dataDir }: { readonly bucket: Bucket; readonly ctx: ServiceContext; readonly dataDir?: string },
): Promise<ViewSources> {
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
    ...(await selectorsOf(config)),
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

/** The filter of the selector flags, whose regular expressions are loaded where they are given. */
async function selectorsOf(config: CompactConfig): Promise<MetaFilter[]> {
  if (readSelectorText(config) === undefined) return []
  const { readSelectorRules, relabelFilter } = await import('../../lib/blocks/relabel.ts')
  return [relabelFilter(readSelectorRules(config), replicaLabelsOf(config))]
}

export interface CompactorParts {
  readonly bucket: Bucket
  readonly sources: ViewSources
  readonly metrics: CompactMetrics
  readonly threads: CompactorThreads
  readonly onView: (view: BucketView) => void
  /** Told of bytes that were read from blocks. */
  readonly onRead?: (bytes: number) => void
}

export function createCompactor(config: CompactConfig, ctx: ServiceContext, parts: CompactorParts): Compactor {
  const { sources, bucket, metrics, threads, onView, onRead } = parts
  threads.connect(Math.max(config.concurrency, config.downsampleConcurrency), (port) =>
    serveBucket(bucket, port, { onRead }),
  )
  gauge(ctx.registry, { name: 'thanos_delete_delay_seconds', help: 'Configured delete delay in seconds.' }).set(
    config.deleteDelayMs / 1000,
  )
  return new Compactor({
    ...sources,
    bucket,
    onView,
    runJob: (job, signal) => threads.run({ ...job, readBytes: bucket.readBytes }, signal),
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
