// `mnemo tools bucket downsample`: downsamples what is long enough, raw to 5 minutes and that to an hour, then ends.
// Flags: Thanos cmd/thanos/tools_bucket.go (downsample), which stays up and does so again and again.
// Owns the command; the plan and the work are lib/compact's, in this thread.
import * as path from 'node:path'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { deduplicateFilter } from '../../lib/blocks/filters.ts'
import { gatherMarksFilter, ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { BlockChanges } from '../../lib/compact/block-changes.ts'
import { readView, type ViewSources } from '../../lib/compact/block-sync.ts'
import { checkBlock } from '../../lib/compact/check-block.ts'
import { type DownsampleNeed, planDownsampling } from '../../lib/compact/downsample-plan.ts'
import { Downsampling } from '../../lib/compact/downsampling.ts'
import { compactMetrics } from '../../lib/compact/metrics.ts'
import { Round } from '../../lib/compact/round.ts'
import { runJob } from '../../lib/compact/run-job.ts'
import { type FlagValues, intFlag, stringFlag } from '../../lib/kit/flags.ts'
import { withFolderLock } from '../../lib/kit/folder-lock.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { startProgress } from '../../lib/kit/progress.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { openBucket } from './bucket-session.ts'
import { downsampleForeignFlags, toolFlags } from './config-thanos.ts'

const flags = {
  ...toolFlags,
  ...downsampleForeignFlags,
  dataDir: stringFlag('data-dir', { help: 'Data directory in which to process downsamplings.', default: './data' }),
  concurrency: intFlag('downsample.concurrency', { help: 'Number of blocks to downsample side by side.', default: 1 }),
}

type Values = FlagValues<typeof flags>

/** How long to wait for a compactor over the same data folder. */
const turnTimeoutMs = 60_000

export function bucketDownsample(argv: string[]): Promise<void> {
  const summary =
    'Downsamples the blocks of the bucket that are long enough (40h to 5 minutes, 10d to one hour), then ends.'
  return runService({ name: 'tools bucket downsample', summary, flags, argv, run })
}

async function run(values: Values, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, signal } = ctx
  const bucket = await openBucket(values, ctx)
  const lock = { folder: values.dataDir, waitMs: turnTimeoutMs, logger, signal }
  await withFolderLock(lock, () => downsample(values, bucket, ctx))
}

/** Twice, so that what has just reached 5 minutes reaches an hour. Throws where a block failed or was set aside. */
async function downsample(values: Values, bucket: Bucket, ctx: ServiceContext): Promise<void> {
  const { logger, signal, registry } = ctx
  const { concurrency } = values
  const metrics = compactMetrics(registry)
  const workFolder = path.join(values.dataDir, 'downsample')
  const check = checkBlock.bind(undefined, bucket)
  const changes = new BlockChanges({ bucket, workFolder, check, logger, metrics, now: Date.now })
  const round = new Round()
  const sources = viewSources(bucket, ctx)
  await changes.prepareWorkFolder()
  let made = 0
  for (const pass of ['to 5 minutes', 'to an hour']) {
    const needs = await planned(sources, signal)
    const progress = startProgress({ what: `downsampling ${pass}`, total: needs.filter(({ due }) => due).length })
    const downsampling = new Downsampling({
      changes,
      concurrency,
      logger,
      metrics,
      runJob: runJob.bind(undefined, bucket),
      onBlock: () => progress.step(1),
    })
    made += await downsampling.run(needs, round, signal)
    progress.done()
  }
  logger.info({ blocks: made }, 'downsampling done')
  if (round.error) throw round.error
}

function viewSources(bucket: Bucket, { logger, registry }: ServiceContext): ViewSources {
  const deletionMarks = ignoreDeletionMarkFilter(0, { bucket, logger })
  const duplicates = deduplicateFilter(() => deletionMarks.marks)
  const noCompactMarks = gatherMarksFilter('no-compact', { bucket, logger })
  const noDownsampleMarks = gatherMarksFilter('no-downsample', { bucket, logger })
  const filters = [deletionMarks, duplicates, noCompactMarks, noDownsampleMarks]
  const fetcher = new MetaFetcher({ bucket, filters, logger, registry })
  return { fetcher, deletionMarks, duplicates, noCompactMarks, noDownsampleMarks }
}

async function planned(sources: ViewSources, signal: AbortSignal): Promise<DownsampleNeed[]> {
  const view = await readView(sources, signal)
  return planDownsampling(view.metas.values(), {
    retention: { rawMs: 0, fiveMinutesMs: 0, oneHourMs: 0 },
    nowMs: Date.now(),
    noDownsample: new Set(view.noDownsampleMarks.keys()),
    deleted: new Set(view.deletionMarks.keys()),
  })
}
