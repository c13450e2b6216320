// `mnemo tools bucket retention`: marks blocks for deletion whose samples have outlived their resolution's retention.
// Flags: Thanos cmd/thanos/tools_bucket.go (retention).
// Owns the command; the rule is lib/compact/retention.ts.
import { consistencyDelayFilter, deduplicateFilter } from '../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import { putMark } from '../../lib/blocks/markers.ts'
import { readSelectorRules, relabelFilter } from '../../lib/blocks/relabel.ts'
import { selectorFlags } from '../../lib/blocks/selector-flags.ts'
import { expiredBlocks } from '../../lib/compact/retention.ts'
import { formatDurationMs } from '../../lib/kit/duration.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { durationFlag, type FlagValues } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { deletionFlags, fetchBlocks, openBucket } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'

const keepForever = 'Setting this to 0d will retain samples of this resolution forever.'

const flags = {
  ...toolFlags,
  ...selectorFlags,
  ...deletionFlags,
  rawMs: durationFlag('retention.resolution-raw', {
    help: `How long to retain raw samples in bucket. ${keepForever}`,
    default: '0d',
  }),
  fiveMinutesMs: durationFlag('retention.resolution-5m', {
    help: `How long to retain samples of resolution 1 (5 minutes) in bucket. ${keepForever}`,
    default: '0d',
  }),
  oneHourMs: durationFlag('retention.resolution-1h', {
    help: `How long to retain samples of resolution 2 (1 hour) in bucket. ${keepForever}`,
    default: '0d',
  }),
}

export function bucketRetention(argv: string[]): Promise<void> {
  const summary =
    'Marks blocks for deletion that have outlived the retention of their resolution, downsampled or not. Run it while no compactor works on the bucket.'
  return runService({ name: 'tools bucket retention', summary, flags, argv, run })
}

async function run(values: FlagValues<typeof flags>, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, signal } = ctx
  const { rawMs, fiveMinutesMs, oneHourMs } = values
  if (rawMs === 0 && fiveMinutesMs === 0 && oneHourMs === 0)
    throw new MnemoError('config', 'cannot apply retention: want one of the --retention flags above 0d')
  const rules = readSelectorRules(values)
  const bucket = await openBucket(values, ctx)
  // As for the compactor: a marked block stays in view for half the delay, its replacement may not be there yet.
  const deletionMarks = ignoreDeletionMarkFilter(values.deleteDelayMs / 2, { bucket, logger })
  const duplicates = deduplicateFilter(() => deletionMarks.marks)
  const delay = consistencyDelayFilter(values.consistencyDelayMs)
  const filters = [relabelFilter(rules), delay, deletionMarks, duplicates]
  const { metas } = await fetchBlocks(bucket, ctx, filters, values.blockSyncConcurrency)
  const nowMs = Date.now()
  let marked = 0
  for (const { ulid: block, maxTime, thanos } of expiredBlocks(
    metas.values(),
    { rawMs, fiveMinutesMs, oneHourMs },
    nowMs,
  )) {
    const isNew = await putMark(bucket, block, 'deletion', { details: 'block exceeding retention', nowMs, signal })
    if (isNew) marked++
    const age = formatDurationMs(Math.floor((nowMs - maxTime) / 1000) * 1000)
    const said = isNew ? 'marked block for deletion' : 'the block is marked for deletion already'
    logger.info({ block, age, resolution: formatDurationMs(thanos.resolutionMs) }, said)
  }
  logger.info({ blocks: metas.size, marked }, 'retention applied')
}
