// `mnemo tools bucket ls`: the blocks of a bucket, one a line.
// Output: Thanos's (nothing but ULIDs, `wide`, `json`, a template); wide lines go on with the external labels and the marks.
// Owns the command's flags and its formats.
import { timeFilter } from '../../lib/blocks/filters.ts'
import { type ListedBlock, listBlocks } from '../../lib/blocks/listing.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { readSelectorRules, relabelFilter } from '../../lib/blocks/relabel.ts'
import { selectorFlags } from '../../lib/blocks/selector-flags.ts'
import { boolFlag, type FlagValues, stringFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { formatLabels } from '../../lib/labels/labels.ts'
import { fetchBlocks, metaTimeoutFlag, openBucket, timeRangeFlags } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'
import { formatGoDuration, formatRfc3339 } from './go-duration.ts'
import { compileMetaTemplate } from './meta-template.ts'
import { Output } from './output.ts'

const flags = {
  ...toolFlags,
  ...selectorFlags,
  output: stringFlag('output', {
    short: 'o',
    help: "Format in which to print each block's information: nothing for ULIDs alone, 'wide', 'json', or text with fields of meta.json in it, such as '{{.ULID}} {{.Stats.NumSeries}}'.",
    default: '',
  }),
  excludeDelete: boolFlag('exclude-delete', { help: 'Exclude blocks marked for deletion.' }),
  ...timeRangeFlags('list'),
  timeoutMs: metaTimeoutFlag,
}

export function bucketLs(argv: string[]): Promise<void> {
  return runService({ name: 'tools bucket ls', summary: 'List all blocks in the bucket.', flags, argv, run })
}

async function run(values: FlagValues<typeof flags>, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger } = ctx
  const rules = readSelectorRules(values)
  const format = formatOf(values.output)
  const bucket = await openBucket(values, ctx)
  const filters = [
    relabelFilter(rules),
    timeFilter(values.minTime, values.maxTime),
    ...(values.excludeDelete ? [ignoreDeletionMarkFilter(0, { bucket, logger })] : []),
  ]
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(values.timeoutMs)])
  const { metas } = await fetchBlocks(bucket, { ...ctx, signal }, filters)
  const listing = values.output === 'wide' ? await listBlocks(bucket, signal) : undefined
  const output = new Output()
  for (const meta of metas.values()) await output.write(format(meta, listing?.get(meta.ulid)))
  await output.flush()
  logger.info({ objects: metas.size }, 'ls done')
}

type BlockFormat = (meta: BlockMeta, listed: ListedBlock | undefined) => string

function formatOf(output: string): BlockFormat {
  switch (output) {
    case '':
      return (meta) => `${meta.ulid}\n`
    case 'json':
      return formatMeta
    case 'wide':
      return (meta, listed) => formatWide(meta, [...(listed?.marks ?? [])].sort())
    default: {
      const format = compileMetaTemplate(output)
      return (meta) => `${format(meta)}\n`
    }
  }
}

/** A block on one line, as Thanos has it, then its external labels and its marks. */
export function formatWide(meta: BlockMeta, marks: readonly string[]): string {
  const fields = [
    `Diff: ${formatGoDuration((Math.floor(meta.maxTime / 1000) - Math.floor(meta.minTime / 1000)) * 1000)}`,
    `Compaction: ${meta.compaction.level}`,
    `Downsample: ${meta.thanos.resolutionMs}`,
    `Source: ${meta.thanos.source}`,
    `Labels: ${formatLabels(meta.thanos.labels)}`,
    ...(marks.length > 0 ? [`Marks: ${marks.join(' ')}`] : []),
  ]
  return `${meta.ulid} -- ${formatRfc3339(meta.minTime)} - ${formatRfc3339(meta.maxTime)} ${fields.join(', ')}\n`
}
