// `mnemo tools bucket inspect`: the blocks of a bucket as a table.
// Columns, flags and forms: Thanos cmd/thanos/tools_bucket.go (inspect).
// Owns the columns and their order; the table's form is table.ts.
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { untilDownsamplingMs } from '../../lib/compact/downsample-plan.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { enumFlag, type FlagValues, stringsFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { parseFlagLabels } from '../../lib/labels/flag-labels.ts'
import { type Labels, labelsToObject, labelValue } from '../../lib/labels/labels.ts'
import { fetchBlocks, metaTimeoutFlag, openBucket } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'
import { formatGoDuration, formatRfc3339 } from './go-duration.ts'
import { printAll } from './output.ts'
import { formatCount, formatTable, tableFormats } from './table.ts'

interface Column {
  readonly text: (meta: BlockMeta) => string
  /** What it is sorted by, where that is not the text. */
  readonly number?: (meta: BlockMeta) => number
}

const columns: Readonly<Record<string, Column>> = {
  ULID: { text: ({ ulid }) => ulid },
  FROM: timeColumn(({ minTime }) => minTime),
  UNTIL: timeColumn(({ maxTime }) => maxTime),
  RANGE: numberColumn(({ minTime, maxTime }) => maxTime - minTime, formatGoDuration),
  'UNTIL-DOWN': numberColumn(
    (meta) => untilDownsamplingMs(meta) ?? Number.POSITIVE_INFINITY,
    (ms) => (ms === Number.POSITIVE_INFINITY ? '-' : formatGoDuration(ms)),
  ),
  '#SERIES': numberColumn(({ stats }) => stats.numSeries, formatCount),
  '#SAMPLES': numberColumn(({ stats }) => stats.numSamples, formatCount),
  '#CHUNKS': numberColumn(({ stats }) => stats.numChunks, formatCount),
  'COMP-LEVEL': numberColumn(({ compaction }) => compaction.level, formatCount),
  'COMP-FAILED': { text: ({ compaction }) => String(compaction.failed === true) },
  LABELS: { text: ({ thanos }) => formatPlain(thanos.labels) },
  RESOLUTION: numberColumn(({ thanos }) => thanos.resolutionMs, formatGoDuration),
  SOURCE: { text: ({ thanos }) => thanos.source },
}

function numberColumn(number: (meta: BlockMeta) => number, format: (value: number) => string): Column {
  return { number, text: (meta) => format(number(meta)) }
}

function timeColumn(time: (meta: BlockMeta) => number): Column {
  return { number: time, text: (meta) => formatRfc3339(time(meta)) }
}

function formatPlain(labels: Labels): string {
  return Object.entries(labelsToObject(labels))
    .map(([name, value]) => `${name}=${value}`)
    .join(',')
}

const flags = {
  ...toolFlags,
  selector: stringsFlag('selector', {
    short: 'l',
    help: 'Selects blocks based on external labels: name="value" (repeated). All must match.',
  }),
  sortBy: stringsFlag('sort-by', {
    help: `Sorts by a column, and by further ones where it is equal (repeated; FROM and UNTIL unless told): ${Object.keys(columns).join(', ')}.`,
  }),
  output: enumFlag('output', tableFormats, { help: 'Output format for result: table, csv or tsv.', default: 'table' }),
  timeoutMs: metaTimeoutFlag,
}

export function bucketInspect(argv: string[]): Promise<void> {
  const summary = 'Inspect all blocks in the bucket in detailed, table-like way.'
  return runService({ name: 'tools bucket inspect', summary, flags, argv, run })
}

async function run(values: FlagValues<typeof flags>, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const selector = parseFlagLabels('selector', values.selector)
  const sortBy = values.sortBy.length > 0 ? values.sortBy : ['FROM', 'UNTIL']
  const unknown = sortBy.find((name) => !Object.hasOwn(columns, name))
  if (unknown !== undefined)
    throw new MnemoError('config', `cannot sort by ${unknown}: want one of ${Object.keys(columns).join(', ')}`)
  const bucket = await openBucket(values, ctx)
  const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(values.timeoutMs)])
  const { metas } = await fetchBlocks(bucket, { ...ctx, signal })
  const chosen = [...metas.values()].filter((meta) => matches(meta, selector))
  const sorted = sortBlocks(chosen, sortBy)
  const rows = sorted.map((meta) => Object.values(columns).map(({ text }) => text(meta)))
  await printAll(formatTable(Object.keys(columns), rows, values.output))
}

/** By the columns in turn, last by ULID. */
export function sortBlocks(metas: readonly BlockMeta[], sortBy: readonly string[]): BlockMeta[] {
  const orders = [...sortBy, 'ULID'].map((name) => orderOf(columns[name]!))
  return metas.toSorted((a, b) => {
    for (const order of orders) {
      const difference = order(a, b)
      if (difference !== 0) return difference
    }
    return 0
  })
}

function orderOf({ text, number }: Column): (a: BlockMeta, b: BlockMeta) => number {
  if (number) return (a, b) => (number(a) === number(b) ? 0 : number(a) - number(b))
  return (a, b) => (text(a) === text(b) ? 0 : text(a) < text(b) ? -1 : 1)
}

function matches({ thanos }: BlockMeta, selector: Labels): boolean {
  for (let i = 0; i < selector.length; i += 2)
    if (labelValue(thanos.labels, selector[i]!) !== selector[i + 1]) return false
  return true
}
