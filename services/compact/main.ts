// `mnemo compact`: merges, downsamples and expires the bucket's blocks, once or (--wait) again and again.
// Exit status: 0 all done, 1 something failed (run it again), 2 a wrong configuration.
// Owns the wiring; the round itself is lib/compact.
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { consistencyDelayFilter, deduplicateFilter, replicaLabelRemover } from '../../lib/blocks/filters.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { Compactor } from '../../lib/compact/compactor.ts'
import type { CompactorJob, JobOutcome } from '../../lib/compact/job.ts'
import { compactMetrics } from '../../lib/compact/metrics.ts'
import { asMnemoError } from '../../lib/kit/errors.ts'
import { withFolderLock } from '../../lib/kit/folder-lock.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { gauge } from '../../lib/kit/metrics.ts'
import { WorkerPool } from '../../lib/kit/workers.ts'
import { createBucket, requireObjstoreConfig } from '../../lib/objstore/config.ts'
import { type CompactConfig, flags, rangesOf, retentionOf } from './config.ts'

/** How long a round waits for one of another process over the same data folder. */
const turnTimeoutMs = 60_000

export function main(argv: string[]): Promise<void> {
  return runService({
    name: 'compact',
    summary:
      "Merges the bucket's blocks into longer ones, downsamples them and deletes what retention says. Run one for a bucket.",
    flags,
    argv,
    run,
  })
}

async function run(config: CompactConfig, ctx: ServiceContext): Promise<void> {
  const { logger, signal, probe } = ctx
  const metrics = compactMetrics(ctx.registry)
  const compactor = await createCompactor(config, ctx, metrics)
  await startHttp({ ...ctx, address: config.httpAddress, graceMs: config.httpGracePeriodMs })
  probe.ready()
  const round = () =>
    withFolderLock({ folder: config.dataDir, waitMs: turnTimeoutMs, logger, signal }, async () => {
      const { error } = await compactor.run(signal)
      if (error) throw error
    })
  if (!config.wait) {
    await round()
    return
  }
  const stopCleaning = every(config.cleanupIntervalMs, () =>
    compactor.clean(signal).catch((err: unknown) => {
      if (!signal.aborted) logger.warn({ err }, 'could not clean up: it is tried again')
    }),
  )
  ctx.onStop('cleaning', stopCleaning)
  while (!signal.aborted) {
    try {
      await round()
    } catch (error) {
      if (signal.aborted) return
      metrics.retries.inc()
      logger.error({ err: asMnemoError(error) }, 'round failed: the next one tries again')
    }
    await sleep(config.waitIntervalMs, undefined, { signal })
  }
}

async function createCompactor(config: CompactConfig, ctx: ServiceContext, metrics: ReturnType<typeof compactMetrics>) {
  const { logger, registry } = ctx
  const rangesMs = rangesOf(config)
  const retention = retentionOf(config)
  const objstore = requireObjstoreConfig(config)
  const bucket = await createBucket(objstore, { registry, logger })
  ctx.onStop('bucket', () => bucket.close())
  const pool = new WorkerPool<CompactorJob, JobOutcome>(new URL('./worker.ts', import.meta.url), {
    size: Math.max(config.concurrency, config.downsampleConcurrency),
    workerData: { objstore },
    name: 'compactor',
  })
  ctx.onStop('workers', () => pool.close())
  gauge(registry, { name: 'thanos_delete_delay_seconds', help: 'Configured delete delay in seconds.' }).set(
    config.deleteDelayMs / 1000,
  )
  // A marked block stays in view for half the delay: its replacement may not be there yet.
  const deletionMarks = ignoreDeletionMarkFilter(config.deleteDelayMs / 2, { bucket, logger })
  const duplicates = deduplicateFilter(() => deletionMarks.marks)
  const noCompactMarks = gatherMarksFilter('no-compact', { bucket, logger })
  const noDownsampleMarks = gatherMarksFilter('no-downsample', { bucket, logger })
  const consistencyDelay = consistencyDelayFilter(config.consistencyDelayMs, registry)
  const fetcher = new MetaFetcher({
    bucket,
    filters: [
      consistencyDelay,
      deletionMarks,
      replicaLabelRemover(config.dedupReplicaLabels, logger),
      duplicates,
      noCompactMarks,
      noDownsampleMarks,
    ],
    dataDir: config.dataDir,
    concurrency: config.metaFetchConcurrency,
    logger,
    registry,
  })
  return new Compactor({
    bucket,
    fetcher,
    deletionMarks,
    duplicates,
    noCompactMarks,
    noDownsampleMarks,
    runJob: (job, signal) => pool.run(job, { signal }),
    workFolder: join(config.dataDir, 'compact'),
    rangesMs,
    maxIndexBytes: config.maxIndexBytes,
    overlap: config.dedupFunction === 'penalty' ? 'penalty' : 'one-to-one',
    deleteDelayMs: config.deleteDelayMs,
    retention,
    downsampling: !config.downsamplingDisable,
    concurrency: config.concurrency,
    downsampleConcurrency: config.downsampleConcurrency,
    logger,
    metrics,
  })
}

/** Calls again and again, `intervalMs` apart; 0: never. Returns how to stop it. */
function every(intervalMs: number, work: () => void): () => void {
  if (intervalMs === 0) return () => {}
  const timer = setInterval(work, intervalMs)
  return () => clearInterval(timer)
}
