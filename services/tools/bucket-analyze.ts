// `mnemo tools bucket analyze`: what the series of a bucket's blocks are made of, and what they cost.
// Not in Thanos; definitions are those of `promtool tsdb analyze`, over any set of blocks.
// Owns the command and its tables; the counting is lib/compact/cardinality.ts.
import { deduplicateFilter, timeFilter } from '../../lib/blocks/filters.ts'
import { ignoreDeletionMarkFilter } from '../../lib/blocks/mark-filters.ts'
import type { BlockMeta } from '../../lib/blocks/meta.ts'
import { type Cardinality, countCardinality, type SeriesSum } from '../../lib/compact/cardinality.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { enumFlag, type FlagValues, intFlag, stringFlag, stringsFlag } from '../../lib/kit/flags.ts'
import { warnOfIgnored } from '../../lib/kit/foreign-flags.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { startProgress } from '../../lib/kit/progress.ts'
import { checkIds, chooseBlocks, fetchBlocks, idsFlag, openBucket, timeRangeFlags } from './bucket-session.ts'
import { toolFlags } from './config-thanos.ts'
import { parseFlagMatchers } from './flag-matchers.ts'
import { formatGoDuration, formatRfc3339 } from './go-duration.ts'
import { printAll } from './output.ts'
import { seriesFilter } from './series-filter.ts'
import { formatBytes, formatCount, formatTable } from './table.ts'

const flags = {
  ...toolFlags,
  ids: idsFlag('Blocks to analyze. If none is specified, all that the other flags choose.'),
  matcher: stringFlag('matcher', {
    help: 'Only blocks whose external labels match: cluster="eu",replica=~"a|b".',
    default: '',
  }),
  ...timeRangeFlags('analyze'),
  match: stringsFlag('match', { help: 'Only series of this selector. Can be specified multiple times.' }),
  limit: intFlag('limit', { help: 'How many rows of each table to show.', default: 20 }),
  output: enumFlag('output', ['table', 'json'], {
    short: 'o',
    help: 'Output format: table or json.',
    default: 'table',
  }),
}

type Values = FlagValues<typeof flags>

export function bucketAnalyze(argv: string[]): Promise<void> {
  const summary =
    'Shows which metrics, labels and label pairs have the most series, take the most bytes and churn the most, over the blocks that are chosen. Reads their indices alone.'
  return runService({ name: 'tools bucket analyze', summary, flags, argv, run })
}

async function run(values: Values, ctx: ServiceContext): Promise<void> {
  warnOfIgnored(flags, values, ctx.logger)
  const { logger, signal } = ctx
  const ids = checkIds(values.ids)
  const isChosen = seriesFilter(values.match)
  const matches = parseFlagMatchers('matcher', values.matcher)
  const bucket = await openBucket(values, ctx)
  const deletionMarks = ignoreDeletionMarkFilter(0, { bucket, logger })
  const times = timeFilter(values.minTime, values.maxTime)
  const filters = ids.length > 0 ? [] : [times, deletionMarks, deduplicateFilter()]
  const metas = chooseBlocks(await fetchBlocks(bucket, ctx, filters), ids).filter(({ thanos }) =>
    matches(thanos.labels),
  )
  const total = metas.reduce((sum, { stats }) => sum + stats.numSeries, 0)
  const progress = startProgress({ what: 'analyzing', total })
  const onSeries = (ulid: string) => progress.step(1, ulid)
  const counted = await countCardinality(bucket, metas, { isChosen, signal, onSeries })
  progress.done()
  await printAll(
    values.output === 'json'
      ? `${JSON.stringify(summaryOf(counted, metas, values.limit), null, 2)}\n`
      : formatReport(counted, metas, values.limit),
  )
  for (const failure of counted.failures) logger.error({ failure }, 'block not counted to its end')
  if (counted.failures.length > 0)
    throw new MnemoError(
      'corrupt',
      `cannot read ${counted.failures.length} of ${metas.length} blocks: the log says why`,
    )
}

interface Row {
  readonly name: string
  readonly sum: SeriesSum
  /** Of a label name: how many values it has, and their bytes, each once. */
  readonly values?: number
  readonly valueBytes?: number
}

interface Rows {
  readonly metrics: readonly Row[]
  readonly labels: readonly Row[]
  readonly pairs: readonly Row[]
}

function rowsOf({ metrics, labels }: Cardinality): Rows {
  return {
    metrics: [...metrics].map(([name, sum]) => ({ name, sum })),
    labels: [...labels].map(([name, values]) => ({
      name,
      sum: added(values.values()),
      values: values.size,
      valueBytes: [...values.keys()].reduce((sum, value) => sum + Buffer.byteLength(value), 0),
    })),
    pairs: [...labels].flatMap(([name, values]) =>
      [...values].map(([value, sum]) => ({ name: `${name}=${value}`, sum })),
    ),
  }
}

function added(sums: Iterable<SeriesSum>): SeriesSum {
  const total = { series: 0, chunkBytes: 0, churn: 0 }
  for (const { series, chunkBytes, churn } of sums) {
    total.series += series
    total.chunkBytes += chunkBytes
    total.churn += churn
  }
  return total
}

function top(rows: readonly Row[], limit: number, by: (row: Row) => number): Row[] {
  return rows
    .filter((row) => by(row) > 0)
    .sort((a, b) => by(b) - by(a) || (a.name < b.name ? -1 : 1))
    .slice(0, limit)
}

const orders = {
  bySeries: ({ sum }: Row) => sum.series,
  byBytes: ({ sum }: Row) => sum.chunkBytes,
  byChurn: ({ sum }: Row) => sum.churn,
  byValues: ({ values = 0 }: Row) => values,
  byValueBytes: ({ valueBytes = 0 }: Row) => valueBytes,
}

function formatReport(counted: Cardinality, metas: readonly BlockMeta[], limit: number): string {
  const { total, range } = counted
  const { metrics, labels, pairs } = rowsOf(counted)
  const samples = metas.reduce((sum, { stats }) => sum + stats.numSamples, 0)
  const table = (title: string, rows: readonly Row[], columns: readonly Column[]) =>
    `\n${title}\n${formatTable(
      ['NAME', ...columns.map(({ head }) => head)],
      rows.map((row) => [shortened(row.name), ...columns.map(({ text }) => text(row, total))]),
    )}`
  return [
    `Blocks: ${metas.length}, ${formatRfc3339(range[0])} to ${formatRfc3339(range[1])} (${formatGoDuration(range[1] - range[0])})\n`,
    `Series: ${formatCount(total.series)}; label names: ${formatCount(labels.length)}; label pairs: ${formatCount(pairs.length)}\n`,
    `Chunks: ${formatBytes(total.chunkBytes)}; samples in these blocks: ${formatCount(samples)}\n`,
    table('Metrics with the most series', top(metrics, limit, orders.bySeries), [series, share, bytes, churn]),
    table('Metrics with the most bytes', top(metrics, limit, orders.byBytes), [bytes, byteShare, series]),
    table('Labels with the most values', top(labels, limit, orders.byValues), [values, series, valueBytes]),
    table('Labels with the longest values together', top(labels, limit, orders.byValueBytes), [valueBytes, values]),
    table('Label pairs with the most series', top(pairs, limit, orders.bySeries), [series, share, bytes]),
    table('Label pairs that churn the most', top(pairs, limit, orders.byChurn), [churn, series]),
    table('Labels that churn the most', top(labels, limit, orders.byChurn), [churn, series]),
  ].join('')
}

const maxNameChars = 120

function shortened(name: string): string {
  return name.length > maxNameChars ? `${name.slice(0, maxNameChars)}… (${formatBytes(Buffer.byteLength(name))})` : name
}

interface Column {
  readonly head: string
  readonly text: (row: Row, total: SeriesSum) => string
}

const series: Column = { head: 'SERIES', text: ({ sum }) => formatCount(sum.series) }
const share: Column = { head: 'SHARE', text: ({ sum }, total) => percent(sum.series / total.series) }
const bytes: Column = { head: 'CHUNKS', text: ({ sum }) => formatBytes(sum.chunkBytes) }
const byteShare: Column = { head: 'SHARE', text: ({ sum }, total) => percent(sum.chunkBytes / total.chunkBytes) }
const values: Column = { head: 'VALUES', text: ({ values = 0 }) => formatCount(values) }
const valueBytes: Column = { head: 'VALUE BYTES', text: ({ valueBytes = 0 }) => formatBytes(valueBytes) }
/** In series: 1 is a series that is never there. */
const churn: Column = { head: 'CHURN', text: ({ sum }) => sum.churn.toFixed(1) }

function percent(part: number): string {
  return `${((part || 0) * 100).toFixed(1)}%`
}

function summaryOf(counted: Cardinality, metas: readonly BlockMeta[], limit: number): unknown {
  const { total, range } = counted
  const { metrics, labels, pairs } = rowsOf(counted)
  const flat = (rows: readonly Row[]) => rows.map(({ name, sum, ...rest }) => ({ name, ...sum, ...rest }))
  return {
    blocks: metas.map(({ ulid }) => ulid),
    minTime: range[0],
    maxTime: range[1],
    ...total,
    labelNames: labels.length,
    labelPairs: pairs.length,
    metricsBySeries: flat(top(metrics, limit, orders.bySeries)),
    metricsByBytes: flat(top(metrics, limit, orders.byBytes)),
    labelsByValues: flat(top(labels, limit, orders.byValues)),
    labelsByValueBytes: flat(top(labels, limit, orders.byValueBytes)),
    labelsByChurn: flat(top(labels, limit, orders.byChurn)),
    pairsBySeries: flat(top(pairs, limit, orders.bySeries)),
    pairsByChurn: flat(top(pairs, limit, orders.byChurn)),
  }
}
