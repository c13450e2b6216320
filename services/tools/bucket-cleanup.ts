// `mnemo tools bucket cleanup`: deletes blocks that were marked long enough ago, and uploads that were never finished.
// Flags: Thanos cmd/thanos/tools_bucket.go (cleanup).
// Owns the command; what is deleted is decided by lib/compact/cleaner.ts.
import { consistencyDelayFilter } from '../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { readSelectorRules, relabelFilter } from '../../lib/blocks/relabel.ts'
import { selectorFlags } from '../../lib/blocks/selector-flags.ts'
import { Cleaner } from '../../lib/compact/cleaner.ts'
import { compactMetrics } from '../../lib/compact/metrics.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import type { FlagValues } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { deletionFlags, fetchBlocks, openBucket } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'

const flags = {
  ...toolFlags,
  ...selectorFlags,
  ...deletionFlags,
}

export function bucketCleanup(argv: string[]): Promise<void> {
  const summary =
    'Deletes blocks that have been marked for deletion longer than the delay, and partial blocks whose newest object is older than 48h.'
  return runService({ name: 'tools bucket cleanup', summary, flags, argv, run })
}

async function run(values: FlagValues<typeof flags>, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, signal, registry } = ctx
  const rules = readSelectorRules(values)
  const bucket = await openBucket(values, ctx)
  const deletionMarks = ignoreDeletionMarkFilter(values.deleteDelayMs, { bucket, logger })
  const filters = [relabelFilter(rules), consistencyDelayFilter(values.consistencyDelayMs), deletionMarks]
  const { partial } = await fetchBlocks(bucket, ctx, filters, values.blockSyncConcurrency)
  const metrics = compactMetrics(registry)
  const { deleteDelayMs } = values
  const cleaner = new Cleaner({ bucket, deleteDelayMs, logger, metrics, now: Date.now })
  await cleaner.deleteMarked(deletionMarks.marks.values(), signal)
  await cleaner.deletePartial(partial.values(), signal)
  const total = async (counter: typeof metrics.cleaned) => (await counter.get()).values[0]?.value ?? 0
  const failed = await total(metrics.cleanupFailures)
  logger.info({ deleted: await total(metrics.cleaned) }, 'cleanup done')
  if (failed > 0) throw new MnemoError('unavailable', `cannot delete ${failed} of the blocks: the log says why`)
}
