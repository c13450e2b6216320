// A cold store gateway: the first Series calls of a store that was just started, index-headers on disk and no caches, and again warm; and
// the start itself over very many small blocks, the first one (index-headers are built) and the next.
// THANOS=/path runs a Thanos over the same bucket, by turns, and prints the ratios (above 1: we are better).
// --runs=N; --quick: one run, over a tenth of the blocks; --only=series|start; --node-flags=… go to our store's Node.js.
// --s3: the bucket is on a real S3 server on loopback (Debian's Ceph), else in a folder.
// Cold are the stores alone: the system, or the server, has the bucket's files in memory.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import type { LabelMatcher } from '../lib/labels/matcher.ts'
import { encodeSeriesRequest } from '../lib/storeapi/messages.ts'
import { SeriesDecoder } from '../lib/storeapi/series-decoder.ts'
import { askSeries } from './support/ask-series.ts'
import { openBucketPlace } from './support/bucket-place.ts'
import { firstMs, writeBenchBucket } from './support/compact-data.ts'
import { median } from './support/median.ts'
import { writeSmallBlocks } from './support/small-blocks.ts'
import { StoreProcess } from './support/store-process.ts'

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    s3: { type: 'boolean', default: false },
    'node-flags': { type: 'string', default: '' },
  },
})
const runs = flags.quick ? 1 : Number(flags.runs)
const warmRuns = 5
const hourMs = 3_600_000

interface Contestant {
  readonly name: string
  readonly command: string
  readonly env?: Readonly<Record<string, string>>
}
const ours = {
  name: 'ours',
  command: new URL('../bin/mnemo', import.meta.url).pathname,
  env: { NODE_OPTIONS: flags['node-flags'] },
}
const contestants: Contestant[] = [ours]
if (process.env.THANOS) contestants.push({ name: 'Thanos', command: process.env.THANOS })

interface Bucket {
  readonly name: string
  /** Its object storage configuration. */
  readonly objstore: string
}

/** What is compared: less is better. */
type Figures = Readonly<Record<string, number>>

const place = await openBucketPlace(flags.s3)
const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-bench-'))
try {
  if (flags.only !== 'start') await coldSeries()
  if (flags.only !== 'series') await starts()
} finally {
  await place.stop()
  await rm(folder, { recursive: true, force: true })
}

async function coldSeries(): Promise<void> {
  const written = path.join(folder, 'series')
  const series = 10_000
  const blocks = { series, blocks: 8, blockHours: 2, replicas: ['a'], newest: false }
  const samples = (await writeBenchBucket(written, blocks)) / 1e6
  const bucket = { name: 'series', objstore: await place.put(written) }
  console.log(`8 blocks of 2 h, ${series} series each, ${samples.toFixed(1)} M samples`)
  // Index-headers are there from here on.
  for (const one of contestants) await (await startOver(bucket, one)).stop()
  // Of a hundred series of a metric each twentieth; each second.
  await compareSeries(bucket, { hosts: /host-(7|27|47|67|87):9100/, of: 500, hours: 16 })
  await compareSeries(bucket, { hosts: /host-[0-9]?[02468]:9100/, of: 5000, hours: 15 })
}

async function compareSeries(bucket: Bucket, asked: { hosts: RegExp; of: number; hours: number }): Promise<void> {
  const { hosts, of, hours } = asked
  const instance: LabelMatcher = { type: '=~', name: 'instance', value: hosts.source }
  const times = { minTime: firstMs, maxTime: firstMs + hours * hourMs - 1 }
  const matchers: LabelMatcher[] = [instance, { type: '=', name: 'job', value: 'bench' }]
  const request = encodeSeriesRequest({ ...times, matchers, responseBatchSize: 64 })
  const answers = new Set<string>()
  await compare(`${of} series over ${hours} h`, async (contestant) => {
    const store = await startOver(bucket, contestant)
    try {
      const frames: Buffer[] = []
      const before = await store.rangeReads()
      const coldCpu = store.cpuSeconds
      const cold = await timed(() => askSeries(store.client, request, (frame) => frames.push(frame)))
      const coldCpuEnd = store.cpuSeconds
      const after = await store.rangeReads()
      answers.add(contentsOf(frames))
      const warm: number[] = []
      const warmCpu = store.cpuSeconds
      for (let i = 0; i < warmRuns; i++) warm.push(await timed(() => askSeries(store.client, request)))
      const reads = after.reads - before.reads
      const cpu = { 'cold CPU s': coldCpuEnd - coldCpu, 'warm CPU s': (store.cpuSeconds - warmCpu) / warmRuns }
      return { 'cold s': cold, 'warm s': median(warm), ...cpu, reads, MB: (after.bytes - before.bytes) / 1e6 }
    } finally {
      await store.stop()
    }
  })
  if (answers.size !== 1) throw new Error(`answers differ: ${[...answers].join('; ')}`)
  console.log(`  each answer: ${[...answers][0]}`)
}

/** How much there is in an answer: the same of each store. */
function contentsOf(frames: readonly Buffer[]): string {
  const decoder = new SeriesDecoder()
  let [series, chunks, bytes] = [0, 0, 0]
  for (const frame of frames)
    for (const response of decoder.decode(frame)) {
      if (response.kind === 'warning') throw new Error(`got a warning: ${response.warning}`)
      if (response.kind !== 'series') continue
      series++
      chunks += response.series.chunks.length
      for (const { raw } of response.series.chunks) bytes += raw?.data.length ?? 0
    }
  return `${series} series, ${chunks} chunks of ${(bytes / 1e6).toFixed(1)} MB`
}

async function starts(): Promise<void> {
  const written = path.join(folder, 'starts')
  const count = flags.quick ? 200 : 2000
  await writeSmallBlocks(written, count)
  const bucket = { name: 'starts', objstore: await place.put(written) }
  const start = async (contestant: Contestant) => {
    const store = await startOver(bucket, contestant)
    const measured = { s: store.readySeconds, 'CPU s': store.cpuSeconds, MiB: store.peakMiB }
    await store.stop()
    return measured
  }
  await compare(`ready over ${count} blocks, first start`, async (contestant) => {
    await rm(dataDirOf(bucket, contestant), { recursive: true, force: true })
    return start(contestant)
  })
  await compare('next start', start)
}

/** Each contestant's median of each figure, after runs by turns. */
async function compare(title: string, run: (contestant: Contestant) => Promise<Figures>): Promise<void> {
  const all = new Map(contestants.map(({ name }) => [name, [] as Figures[]]))
  for (let i = 0; i < runs; i++)
    for (const contestant of contestants) all.get(contestant.name)!.push(await run(contestant))
  const medians = [...all.values()].map((figures) => mediansOf(figures))
  console.log(title)
  for (const [i, { name }] of contestants.entries()) printRow(name, medians[i]!, 2)
  if (medians[1]) printRow('ratio', ratios(medians[0]!, medians[1]), 2)
}

function mediansOf(all: readonly Figures[]): Figures {
  return Object.fromEntries(Object.keys(all[0]!).map((key) => [key, median(all.map((figures) => figures[key]!))]))
}

function ratios(a: Figures, b: Figures): Figures {
  return Object.fromEntries(Object.keys(a).map((key) => [key, b[key]! / a[key]!]))
}

function printRow(name: string, figures: Figures, digits: number): void {
  const cells = Object.entries(figures).map(([key, value]) => `${key} ${value.toFixed(digits)}`.padStart(17))
  console.log(`  ${name.padEnd(8)}${cells.join('')}`)
}

function startOver(bucket: Bucket, contestant: Contestant): Promise<StoreProcess> {
  const { objstore } = bucket
  return StoreProcess.start({ ...contestant, objstore, dataDir: dataDirOf(bucket, contestant) })
}

function dataDirOf(bucket: Bucket, { name }: Contestant): string {
  return path.join(folder, `${bucket.name}-data-${name}`)
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now()
  await work()
  return (performance.now() - startMs) / 1000
}
