// `mnemo tools bucket ls`: the blocks of a bucket, one a line.
// Output: Thanos's (nothing but ULIDs, `wide`, `json`); wide lines go on with the external labels and the marks.
// Owns the command's flags and its formats.
import { MetaFetcher } from '../../lib/blocks/fetcher.ts'
import { timeFilter } from '../../lib/blocks/filters.ts'
import { type ListedBlock, listBlocks } from '../../lib/blocks/listing.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { formatMeta } from '../../lib/blocks/meta-format.ts'
import { readSelectorRules, relabelFilter, selectorFlags } from '../../lib/blocks/relabel.ts'
import { boolFlag, durationFlag, enumFlag, type FlagValues, timeFlag } from '../../lib/kit/flags.ts'
import { logFlags, runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { formatLabels } from '../../lib/labels/labels.ts'
import { createBucket, objstoreFlags, requireObjstoreConfig } from '../../lib/objstore/config.ts'

const flags = {
  ...logFlags,
  ...objstoreFlags,
  ...selectorFlags,
  output: enumFlag('output', ['', 'wide', 'json'], {
    help: "Format in which to print each block's information: 'json', 'wide', or nothing for ULIDs alone.",
    default: '',
  }),
  excludeDelete: boolFlag('exclude-delete', { help: 'Exclude blocks marked for deletion.' }),
  minTime: timeFlag('min-time', {
    help: 'Start of the time range: a time in RFC 3339 or a duration relative to now, such as -1d or -2h45m.',
    default: '0000-01-01T00:00:00Z',
  }),
  maxTime: timeFlag('max-time', {
    help: 'End of the time range: a time in RFC 3339 or a duration relative to now, such as -1d or -2h45m.',
    default: '9999-12-31T23:59:59Z',
  }),
  timeoutMs: durationFlag('timeout', { help: 'How long the listing may take.', default: '5m' }),
}

export function bucketLs(argv: string[]): Promise<void> {
  return runService({ name: 'tools bucket ls', summary: 'List all blocks in the bucket.', flags, argv, run })
}

async function run(values: FlagValues<typeof flags>, ctx: ServiceContext): Promise<void> {
  const { logger, registry } = ctx
  const rules = readSelectorRules(values)
  const bucket = await createBucket(requireObjstoreConfig(values), { registry, logger })
  ctx.onStop('bucket', () => bucket.close())
  const filters = [
    relabelFilter(rules),
    timeFilter(values.minTime, values.maxTime),
    ...(values.excludeDelete ? [ignoreDeletionMarkFilter(0, { bucket, logger })] : []),
  ]
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(values.timeoutMs)])
  const { metas, partial } = await new MetaFetcher({ bucket, filters, logger, registry }).fetch(signal)
  const listing = values.output === 'wide' ? await listBlocks(bucket, signal) : undefined
  for (const meta of metas.values()) process.stdout.write(formatBlock(meta, values.output, listing?.get(meta.ulid)))
  for (const { ulid, reason } of partial.values()) logger.warn({ block: ulid, err: reason }, 'partial block')
  logger.info({ objects: metas.size }, 'ls done')
}

function formatBlock(meta: BlockMeta, format: '' | 'wide' | 'json', listed: ListedBlock | undefined): string {
  switch (format) {
    case '':
      return `${meta.ulid}\n`
    case 'json':
      return formatMeta(meta)
    case 'wide':
      return formatWide(meta, [...(listed?.marks ?? [])].sort())
  }
}

/** A block on one line, as Thanos has it, then its external labels and its marks. */
export function formatWide(meta: BlockMeta, marks: readonly string[]): string {
  const fields = [
    `Diff: ${formatGoDuration(Math.floor(meta.maxTime / 1000) - Math.floor(meta.minTime / 1000))}`,
    `Compaction: ${meta.compaction.level}`,
    `Downsample: ${meta.thanos.resolutionMs}`,
    `Source: ${meta.thanos.source}`,
    `Labels: ${formatLabels(meta.thanos.labels)}`,
    ...(marks.length > 0 ? [`Marks: ${marks.join(' ')}`] : []),
  ]
  return `${meta.ulid} -- ${formatSeconds(meta.minTime)} - ${formatSeconds(meta.maxTime)} ${fields.join(', ')}\n`
}

function formatSeconds(timeMs: number): string {
  const date = new Date(Math.floor(timeMs / 1000) * 1000)
  // Times beyond JavaScript's calendar stand as milliseconds.
  return Number.isNaN(date.getTime()) ? `${timeMs}ms` : date.toISOString().replace('.000Z', 'Z')
}

/** As Go prints whole seconds: 2h0m0s. */
function formatGoDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60]
  const parts = [...(hours > 0 ? [`${hours}h`] : []), ...(hours > 0 || minutes > 0 ? [`${minutes}m`] : [])]
  return `${parts.join('')}${seconds % 60}s`
}
