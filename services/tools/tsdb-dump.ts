// `mnemo tools tsdb dump`: the samples of blocks as lines, from a directory or straight out of a bucket.
// Form: `promtool tsdb dump` of Prometheus 3.14, byte for byte; downsampled blocks, which it cannot read, show one aggregate.
// Owns the command and the lines; a block that is damaged ends it (`tools bucket verify` says more).
import * as fs from 'node:fs/promises'
import * as path from 'node:path'
import { isUlid } from '../../lib/blocks/block-name.ts'
import { formatGoJson } from '../../lib/blocks/go-json.ts'
import { type BlockMeta, metaFileName } from '../../lib/blocks/meta.ts'
import { parseMeta } from '../../lib/blocks/meta-parse.ts'
import { aggregates, splitAggregates } from '../../lib/chunkenc/aggregate.ts'
import { chunkEncoding } from '../../lib/chunkenc/encoding.ts'
import { alignedSeries } from '../../lib/compact/aligned-series.ts'
import { openInputBlock, windowBytesOf } from '../../lib/compact/input-block.ts'
import { SeriesInput } from '../../lib/compact/series-input.ts'
import { histogramOf } from '../../lib/histogram/histogram.ts'
import { createKernels } from '../../lib/kernels/instance.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { enumFlag, type FlagValues, intFlag, stringFlag, stringsFlag } from '../../lib/kit/flags.ts'
import { logFlags, runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import type { Labels } from '../../lib/labels/labels.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { objstoreFlags, readObjstoreConfig } from '../../lib/objstore/config.ts'
import { FilesystemBucket } from '../../lib/objstore/filesystem.ts'
import { formatHistogram } from '../../lib/promql/functions/format-histogram.ts'
import { formatG, formatLabelsGo } from '../../lib/promql/functions/go-format.ts'
import type { BlockChunk } from '../../lib/tsdb/block-writer.ts'
import { decodeMixed, type MixedSample, mergeMixed } from '../../lib/tsdb/overlap-mixed.ts'
import { checkIds, chooseBlocks, fetchBlocks, idsFlag, openBucket } from './bucket-session.ts'
import { Output } from './output.ts'
import { seriesFilter } from './series-filter.ts'

const flags = {
  ...logFlags,
  ...objstoreFlags,
  path: stringFlag('path', {
    help: "A block's folder, or a directory of blocks such as Prometheus's data directory (default: data/). Samples that are in its write-ahead log alone are not shown.",
    positional: true,
  }),
  ids: idsFlag('Blocks to dump; all that there are, unless told.'),
  match: stringsFlag('match', { help: 'Series selector. Can be specified multiple times; all series, unless told.' }),
  minTimeMs: intFlag('min-time', { help: 'Minimum timestamp to dump, in milliseconds since the Unix epoch.' }),
  maxTimeMs: intFlag('max-time', { help: 'Maximum timestamp to dump, in milliseconds since the Unix epoch.' }),
  format: enumFlag('format', ['prom', 'seriesjson'], {
    help: 'Output format of the dump: prom (a line a sample) or seriesjson (a line a series, its labels).',
    default: 'prom',
  }),
  aggregate: enumFlag('aggregate', ['', ...aggregates], {
    help: `Of downsampled blocks, which aggregate to show: ${aggregates.join(', ')}.`,
    default: '',
  }),
}

type Values = FlagValues<typeof flags>

export function tsdbDump(argv: string[]): Promise<void> {
  const summary =
    "Prints the samples of blocks, one a line, in order of series and time: of a directory, or (--objstore.config) of a bucket. A series' samples that several blocks have are shown once."
  return runService({ name: 'tools tsdb dump', summary, flags, argv, run })
}

async function run(values: Values, ctx: ServiceContext): Promise<void> {
  const isChosen = seriesFilter(values.match)
  const { bucket, metas } = await blocksOf(values, ctx)
  const { minTimeMs = Number.NEGATIVE_INFINITY, maxTimeMs = Number.POSITIVE_INFINITY } = values
  const within = metas.filter(({ minTime, maxTime }) => minTime <= maxTimeMs && maxTime > minTimeMs)
  const inputs: SeriesInput[] = []
  const kernels = createKernels()
  const windowBytes = windowBytesOf(within.length, bucket.readBytes)
  for (const meta of within)
    inputs.push(new SeriesInput(kernels, await openInputBlock(bucket, meta, ctx.signal, { windowBytes }), ctx.signal))
  const output = new Output()
  const decode = decoder(values.aggregate)
  for await (const { labels, members } of alignedSeries(inputs)) {
    ctx.signal.throwIfAborted()
    if (!isChosen(labels)) continue
    const runs: MixedSample[][] = []
    for (const input of members) for (const chunk of await input.chunks()) runs.push(decode(chunk))
    const samples = joined(runs).filter(({ timeMs }) => timeMs >= minTimeMs && timeMs <= maxTimeMs)
    if (samples.length === 0) continue
    if (values.format === 'seriesjson') await output.write(`${formatGoJson(new Map(pairs(labels)), false)}\n`)
    else await output.write(formatSamples(labels, samples))
  }
  await output.flush()
}

/** The blocks in order of time: of the bucket where one is configured, else of the directory, or the one block that it is. */
async function blocksOf(values: Values, ctx: ServiceContext): Promise<{ bucket: Bucket; metas: BlockMeta[] }> {
  const ids = checkIds(values.ids)
  if (readObjstoreConfig(values) !== undefined) {
    if (values.path !== undefined)
      throw new MnemoError('config', 'cannot dump blocks: got a path and a bucket, want one of them')
    const bucket = await openBucket(values, ctx)
    return { bucket, metas: chooseBlocks(await fetchBlocks(bucket, ctx), ids) }
  }
  const folder = path.resolve(values.path ?? 'data')
  const [directory, names] = isUlid(path.basename(folder))
    ? [path.dirname(folder), [path.basename(folder)]]
    : [folder, await listed(folder)]
  const missing = ids.find((id) => !names.includes(id))
  if (missing !== undefined)
    throw new MnemoError('not_found', `cannot dump block ${missing}: it is not in ${directory}`)
  const metas = await Promise.all(
    names.filter((name) => ids.length === 0 || ids.includes(name)).map((name) => readMeta(path.join(directory, name))),
  )
  if (metas.length === 0) throw new MnemoError('config', `cannot dump ${folder}: got no block there`)
  return { bucket: new FilesystemBucket(directory), metas: metas.sort((a, b) => a.minTime - b.minTime) }
}

async function listed(folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(folder)).filter(isUlid)
  } catch (cause) {
    throw new MnemoError('config', `cannot read ${folder}`, { cause })
  }
}

async function readMeta(folder: string): Promise<BlockMeta> {
  const file = path.join(folder, metaFileName)
  try {
    return parseMeta(await fs.readFile(file), file)
  } catch (cause) {
    throw cause instanceof MnemoError ? cause : new MnemoError('config', `cannot read ${file}`, { cause })
  }
}

function decoder(aggregate: Values['aggregate']): (chunk: BlockChunk) => MixedSample[] {
  const kernels = createKernels()
  return (chunk) => {
    if (chunk.encoding !== chunkEncoding.aggregate) return decodeMixed(chunk, kernels)
    if (aggregate === '')
      throw new MnemoError(
        'config',
        `cannot dump a downsampled block: want --aggregate, one of ${aggregates.join(', ')}`,
      )
    const part = splitAggregates(chunk.data)[aggregate]
    return part ? decodeMixed({ ...chunk, ...part }, kernels) : []
  }
}

/** The samples of a series' chunks in order of time, each time once. */
function joined(runs: MixedSample[][]): MixedSample[] {
  const inOrder = runs.filter((run) => run.length > 0).sort((a, b) => a[0]!.timeMs - b[0]!.timeMs)
  const overlaps = inOrder.some((run, i) => i > 0 && run[0]!.timeMs <= inOrder[i - 1]!.at(-1)!.timeMs)
  return overlaps ? mergeMixed(inOrder, 'one-to-one') : inOrder.flat()
}

const bits = new BigUint64Array(1)
const float = new Float64Array(bits.buffer)

function formatSamples(labels: Labels, samples: readonly MixedSample[]): string {
  const name = formatLabelsGo(labels)
  return samples.map((sample) => `${name} ${formatSample(sample)} ${sample.timeMs}\n`).join('')
}

function formatSample(sample: MixedSample): string {
  if ('histogram' in sample)
    return formatHistogram(histogramOf(sample.histogram), sample.integer && !sample.stale ? String : formatG)
  bits[0] = sample.bits
  const value = float[0]!
  const magnitude = Math.abs(value)
  // Between its exponents %g writes what JavaScript does.
  return magnitude >= 1e-4 && magnitude < 1e6 ? String(value) : formatG(value)
}

function* pairs(labels: Labels): Generator<[string, string]> {
  for (let i = 0; i < labels.length; i += 2) yield [labels[i]!, labels[i + 1]!]
}
