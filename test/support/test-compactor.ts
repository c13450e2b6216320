// A compactor without its process: over any bucket, its jobs done in this thread, quiet, with ranges of 1, 2 and 8 hours.
// Owns nothing; the work folder is the caller's.
import { MetaFetcher, type MetaFilter } from '../../lib/blocks/fetcher.ts'
import { deduplicateFilter, replicaLabelRemover } from '../../lib/blocks/filters.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { Compactor, type CompactorOptions } from '../../lib/compact/compactor.ts'
import type { RunJob } from '../../lib/compact/job.ts'
import { type CompactMetrics, compactMetrics } from '../../lib/compact/metrics.ts'
import type { Retention } from '../../lib/compact/retention.ts'
import { runJob } from '../../lib/compact/run-job.ts'
import { createLogger } from '../../lib/kit/log.ts'
import { createRegistry } from '../../lib/kit/metrics.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import type { OverlapFunction } from '../../lib/tsdb/overlap.ts'

const hourMs = 3_600_000

export interface TestCompactorOptions {
  readonly workFolder: string
  readonly nowMs?: number
  readonly retention?: Retention
  readonly deleteDelayMs?: number
  readonly downsampling?: boolean
  readonly replicaLabels?: readonly string[]
  readonly overlap?: OverlapFunction
  readonly maxIndexBytes?: number
  readonly runJob?: RunJob
  readonly metrics?: CompactMetrics
  readonly turnMs?: number
  readonly upload?: CompactorOptions['upload']
  /** Before all others. */
  readonly filters?: readonly MetaFilter[]
}

export function compactorOver(bucket: Bucket, options: TestCompactorOptions): Compactor {
  const { nowMs, deleteDelayMs = 48 * hourMs, replicaLabels = [] } = options
  const now = () => nowMs ?? Date.now()
  const deletionMarks = ignoreDeletionMarkFilter(deleteDelayMs / 2, { bucket })
  const duplicates = deduplicateFilter(() => deletionMarks.marks)
  const noCompactMarks = gatherMarksFilter('no-compact', { bucket })
  const noDownsampleMarks = gatherMarksFilter('no-downsample', { bucket })
  return new Compactor({
    bucket,
    fetcher: new MetaFetcher({
      bucket,
      filters: [
        ...(options.filters ?? []),
        deletionMarks,
        replicaLabelRemover(replicaLabels),
        duplicates,
        noCompactMarks,
        noDownsampleMarks,
      ],
      now,
    }),
    deletionMarks,
    duplicates,
    noCompactMarks,
    noDownsampleMarks,
    runJob: options.runJob ?? ((job, signal) => runJob(bucket, job, signal)),
    workFolder: options.workFolder,
    rangesMs: [1, 2, 8].map((hours) => hours * hourMs),
    maxIndexBytes: options.maxIndexBytes ?? 2 ** 36,
    overlap: options.overlap ?? 'one-to-one',
    deleteDelayMs,
    retention: options.retention ?? { rawMs: 0, fiveMinutesMs: 0, oneHourMs: 0 },
    downsampling: options.downsampling ?? true,
    concurrency: 2,
    downsampleConcurrency: 2,
    logger: createLogger({ level: 'silent' }),
    metrics: options.metrics ?? compactMetrics(createRegistry()),
    now,
    ...(options.turnMs !== undefined && { turnMs: options.turnMs }),
    ...(options.upload && { upload: options.upload }),
  })
}
