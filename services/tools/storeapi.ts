// `mnemo tools storeapi info|series`: what a store, sidecar or querier says of itself, and what a Series call gets of it.
// For the question "who has this, and out of which blocks": nothing is merged, hidden or deduplicated. Not in Thanos.
// Owns the two commands and their lines.
import { MnemoError } from '../../lib/kit/errors.ts'
import {
  boolFlag,
  type FlagSpec,
  type FlagValues,
  intFlag,
  stringFlag,
  stringsFlag,
  timeFlag,
} from '../../lib/kit/flags.ts'
import { clientTlsOf, grpcClientFlags } from '../../lib/kit/grpc-client-flags.ts'
import { logFlags, runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { formatLabels, type Labels } from '../../lib/labels/labels.ts'
import type { LabelMatcher } from '../../lib/labels/matcher.ts'
import { parseSelector } from '../../lib/promql/parse/parser.ts'
import { createStoreClient, type StoreClient } from '../../lib/storeapi/client.ts'
import { type AggrChunk, aggr, noBoundMs } from '../../lib/storeapi/types.ts'
import { Output, printAll } from './output.ts'

const endpointFlag = {
  ...logFlags,
  ...grpcClientFlags,
  endpoint: stringFlag('endpoint', { help: 'Address (host:port) of what serves the StoreAPI.', required: true }),
}

const seriesFlags = {
  ...endpointFlag,
  match: stringFlag('match', { help: 'Series selector, such as \'up{job="api"}\'.', required: true }),
  minTime: timeFlag('min-time', {
    help: 'Start of the time range: RFC3339, unix seconds, or a duration relative to now such as -1h.',
    default: '-1h',
  }),
  maxTime: timeFlag('max-time', { help: 'End of the time range, in the same forms.', default: '0s' }),
  skipChunks: boolFlag('skip-chunks', { help: 'Ask for labels alone.' }),
  limit: intFlag('limit', { help: 'Most series to ask for. 0: all.', default: 0 }),
  replicaLabels: stringsFlag('without-replica-label', { help: 'Label that the store shall take off (repeatable).' }),
  partialResponse: boolFlag('partial-response', {
    help: 'Take a part of the answer with a warning. --no-partial-response for an error instead.',
    default: true,
  }),
}

export function storeApiInfo(argv: string[]): Promise<void> {
  const summary = 'Prints what an endpoint says of itself: type, label sets, times, APIs.'
  return serve(
    { name: 'tools storeapi info', summary, flags: endpointFlag, argv },
    async (_values, client, { signal }) => {
      await printAll(`${JSON.stringify(await client.info(signal), inWords, 2)}\n`)
    },
  )
}

export function storeApiSeries(argv: string[]): Promise<void> {
  const summary = 'Prints the series that an endpoint has, a line each, and the blocks that it has queried for them.'
  return serve({ name: 'tools storeapi series', summary, flags: seriesFlags, argv }, printSeries)
}

interface Command<S extends FlagSpec> {
  readonly name: string
  readonly summary: string
  readonly flags: S
  readonly argv: string[]
}

function serve<S extends typeof endpointFlag>(
  command: Command<S>,
  work: (values: FlagValues<S>, client: StoreClient, ctx: ServiceContext) => Promise<void>,
): Promise<void> {
  return runService({
    ...command,
    async run(values, ctx) {
      const { endpoint } = values as FlagValues<typeof endpointFlag>
      const tls = clientTlsOf(values as FlagValues<typeof endpointFlag>)
      const client = createStoreClient(endpoint, { ...(tls && { tls }) })
      ctx.onStop('connection', () => client.close())
      await work(values, client, ctx)
    },
  })
}

async function printSeries(
  values: FlagValues<typeof seriesFlags>,
  client: StoreClient,
  { signal }: ServiceContext,
): Promise<void> {
  const nowMs = Date.now()
  const request = {
    minTime: values.minTime.resolveMs(nowMs),
    maxTime: values.maxTime.resolveMs(nowMs),
    matchers: matchersOf(values.match),
    aggregates: Object.values(aggr),
    skipChunks: values.skipChunks,
    limit: values.limit,
    withoutReplicaLabels: values.replicaLabels,
    partialResponseDisabled: !values.partialResponse,
  }
  const output = new Output()
  const blocks = new Set<string>()
  let warnings = 0
  for await (const response of client.series(request, signal)) {
    if (response.kind === 'series')
      await output.write(`${seriesLine(response.series.labels, response.series.chunks)}\n`)
    else if (response.kind === 'hints') for (const block of response.queriedBlocks) blocks.add(block)
    else {
      warnings++
      await output.write(`# warning: ${response.warning}\n`)
    }
  }
  for (const block of [...blocks].sort()) await output.write(`# queried block ${block}\n`)
  await output.flush()
  if (warnings > 0) throw new MnemoError('unavailable', `the answer is not whole: ${warnings} warnings`)
}

/** `{labels} chunks=3 bytes=412 2023-11-15T00:00:00.000Z..2023-11-15T02:00:00.000Z`; a series of many frames has a line each. */
function seriesLine(labels: Labels, chunks: readonly AggrChunk[]): string {
  if (chunks.length === 0) return formatLabels(labels)
  const fields = chunks.flatMap(({ raw, count, sum, min, max, counter }) => [raw, count, sum, min, max, counter])
  const bytes = fields.reduce((all, field) => all + (field?.data.length ?? 0), 0)
  const minTime = Math.min(...chunks.map((chunk) => chunk.minTime))
  const maxTime = Math.max(...chunks.map((chunk) => chunk.maxTime))
  return `${formatLabels(labels)} chunks=${chunks.length} bytes=${bytes} ${timeOf(minTime)}..${timeOf(maxTime)}`
}

function matchersOf(selector: string): readonly LabelMatcher[] {
  try {
    return parseSelector(selector)
  } catch (cause) {
    throw new MnemoError('config', `cannot use --match=${selector}`, { cause })
  }
}

/** Times as people read them, label sets as PromQL writes them. */
function inWords(key: string, value: unknown): unknown {
  if (key === 'minTime' || key === 'maxTime') return timeOf(Number(value))
  if (key === 'labels') return formatLabels(value as Labels)
  if (key === 'labelSets') return (value as Labels[]).map(formatLabels)
  return value
}

function timeOf(ms: number): string {
  if (Math.abs(ms) >= noBoundMs) return ms < 0 ? 'no beginning' : 'no end'
  const date = new Date(ms)
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString()
}
