// `mnemo tools bucket replicate`: copies whole blocks to another bucket, once or every minute.
// Flags and metrics: Thanos cmd/thanos/tools_bucket.go (replicate), pkg/replicate.
// Owns the choice of blocks; copying is lib/blocks/copy.ts. A block that cannot be copied does not hold up the others.
import { setTimeout as sleep } from 'node:timers/promises'
import { copyBlock } from '../../lib/blocks/copy.ts'
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { timeFilter } from '../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { boolFlag, durationFlag, type FlagValues, intFlag, stringFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { startHttp } from '../../lib/kit/http.ts'
import { httpFlags, runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { counter, type Registry } from '../../lib/kit/metrics.ts'
import { startProgress } from '../../lib/kit/progress.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { objstoreFlagsOf } from '../../lib/objstore/config.ts'
import { checkIds, chooseBlocks, idsFlag, openBucket, tellPartial, timeRangeFlags } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'
import { parseFlagMatchers } from './flag-matchers.ts'

const to = objstoreFlagsOf('objstore-to', 'The object storage which replicate data to.')

const flags = {
  ...toolFlags,
  ...httpFlags,
  toConfig: to.objstoreConfig,
  toConfigFile: to.objstoreConfigFile,
  resolutionsMs: durationFlag('resolution', {
    help: 'Only blocks with these resolutions will be replicated (0s, 5m, 1h: all, unless told). Repeated flag.',
    repeated: true,
  }),
  compactionMin: intFlag('compaction-min', {
    help: 'Only blocks with at least this compaction level will be replicated.',
    default: 1,
  }),
  compactionMax: intFlag('compaction-max', {
    help: 'Only blocks up to a maximum of this compaction level will be replicated.',
    default: 4,
  }),
  compactions: intFlag('compaction', {
    help: 'Only blocks with these compaction levels will be replicated. Repeated flag. Overrides compaction-min and compaction-max if set.',
    repeated: true,
  }),
  matcher: stringFlag('matcher', {
    help: 'Blocks whose external labels match this matcher will be replicated: cluster="eu",replica=~"a|b".',
    default: '',
  }),
  singleRun: boolFlag('single-run', { help: 'Run replication only one time, then exit.' }),
  ...timeRangeFlags('replicate'),
  ids: idsFlag('Block to be replicated; then other matchers are ignored, and it runs once.'),
  ignoreMarkedForDeletion: boolFlag('ignore-marked-for-deletion', {
    help: 'Do not replicate blocks that have deletion mark.',
  }),
}

type Values = FlagValues<typeof flags>

const intervalMs = 60_000

export function bucketReplicate(argv: string[]): Promise<void> {
  const summary =
    'Replicates whole blocks from one object storage to another, meta.json last, until it is stopped or (--single-run) once. Deletion is not replicated.'
  return runService({ name: 'tools bucket replicate', summary, flags, argv, run })
}

async function run(values: Values, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, signal, registry, probe } = ctx
  const isChosen = chooser(values)
  const target = { objstoreConfig: values.toConfig, objstoreConfigFile: values.toConfigFile }
  const [from, into] = [await openBucket(values, ctx), await openBucket(target, ctx, 'objstore-to')]
  const metrics = replicateMetrics(registry)
  const filters = [
    timeFilter(values.minTime, values.maxTime),
    ...(values.ignoreMarkedForDeletion ? [ignoreDeletionMarkFilter(0, { bucket: from, logger })] : []),
  ]
  const fetcher = new MetaFetcher({ bucket: from, filters, logger, registry })
  const round = () => replicate({ from, into, isChosen, fetcher, metrics, ids: values.ids }, ctx)
  if (values.singleRun || values.ids.length > 0) return round()
  await startHttp({ ...ctx, address: values.httpAddress, graceMs: values.httpGracePeriodMs })
  probe.ready()
  while (!signal.aborted) {
    try {
      await round()
    } catch (err) {
      signal.throwIfAborted()
      logger.error({ err }, 'not everything was replicated: it is tried again')
    }
    await sleep(intervalMs, undefined, { signal })
  }
}

function chooser(values: Values): (meta: BlockMeta) => boolean {
  const ids = new Set(checkIds(values.ids))
  const { compactionMin, compactionMax, compactions } = values
  if (compactions.length === 0 && compactionMin > compactionMax)
    throw new MnemoError('config', 'cannot replicate: want --compaction-min of at most --compaction-max')
  const resolutions = new Set(values.resolutionsMs)
  const matches = parseFlagMatchers('matcher', values.matcher)
  return ({ ulid, compaction: { level }, thanos }) => {
    if (ids.size > 0) return ids.has(ulid)
    const isLevel =
      compactions.length > 0 ? compactions.includes(level) : level >= compactionMin && level <= compactionMax
    return isLevel && (resolutions.size === 0 || resolutions.has(thanos.resolutionMs)) && matches(thanos.labels)
  }
}

function replicateMetrics(registry: Registry) {
  return {
    already: counter(registry, {
      name: 'thanos_replicate_blocks_already_replicated_total',
      help: 'Total number of blocks skipped due to already being replicated.',
    }),
    blocks: counter(registry, {
      name: 'thanos_replicate_blocks_replicated_total',
      help: 'Total number of blocks replicated.',
    }),
    objects: counter(registry, {
      name: 'thanos_replicate_objects_replicated_total',
      help: 'Total number of objects replicated.',
    }),
  }
}

interface Replication {
  readonly from: Bucket
  readonly into: Bucket
  readonly isChosen: (meta: BlockMeta) => boolean
  readonly fetcher: MetaFetcher
  readonly metrics: ReturnType<typeof replicateMetrics>
  readonly ids: readonly string[]
}

/** Copies what is chosen, oldest first: a compactor over the target sees no later block before an earlier one. */
async function replicate({ from, into, isChosen, fetcher, metrics, ids }: Replication, ctx: ServiceContext) {
  const { logger, signal } = ctx
  const chosen = chooseBlocks(tellPartial(await fetcher.fetch(signal), logger), ids).filter(isChosen)
  const progress = startProgress({ what: 'replicating', total: chosen.reduce((sum, meta) => sum + sizeOf(meta), 0) })
  const failed: string[] = []
  let copied = 0
  for (const meta of chosen) {
    const block = meta.ulid
    try {
      const onObject = (object: string, bytes: number) => {
        metrics.objects.inc()
        progress.step(bytes, object)
        logger.info({ object, bytes }, 'object replicated')
      }
      const outcome = await copyBlock(from, into, block, { whole: meta, signal, onObject })
      if (outcome.copied) copied++
      metrics[outcome.copied ? 'blocks' : 'already'].inc()
      logger.info({ block, bytes: outcome.bytes }, outcome.copied ? 'block replicated' : 'the target has this block')
    } catch (err) {
      signal.throwIfAborted()
      failed.push(block)
      logger.error({ block, err }, 'block not replicated')
    }
  }
  progress.done()
  logger.info({ blocks: chosen.length, replicated: copied, failed: failed.length }, 'replication done')
  if (failed.length > 0) throw new MnemoError('unavailable', `cannot replicate ${failed.join(', ')}: the log says why`)
}

/** The block's bytes, as its meta.json tells. */
function sizeOf({ thanos }: BlockMeta): number {
  return thanos.files.reduce((sum, { sizeBytes = 0 }) => sum + sizeBytes, 0)
}
