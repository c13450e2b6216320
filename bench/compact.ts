// The compactor as a process over buckets in a folder: merging, deduplicating offline, downsampling; time and peak memory, read from outside.
// THANOS=/path runs a Thanos on the same input and prints the ratio (above 1: we are better). --quick: a tenth of the series, one run.
// --s3: the bucket is on a real S3 server on loopback (Debian's Ceph), else in a folder.
// Goals: Thanos's time at half its memory; twice the series raises the peak by less than a tenth. Linux alone tells peaks.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { openBucketPlace } from './support/bucket-place.ts'
import { type BenchBucket, writeBenchBucket } from './support/compact-data.ts'
import { median } from './support/median.ts'
import { type Measured, runMeasured } from './support/run-measured.ts'

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    s3: { type: 'boolean', default: false },
  },
})
const runs = flags.quick ? 1 : Number(flags.runs)
const thanos = process.env.THANOS
const mnemo = new URL('../bin/mnemo', import.meta.url).pathname
const scale = flags.quick ? 0.1 : 1

const merge = { blocks: 4, blockHours: 2, replicas: ['a'], newest: true }
const replicas = { blocks: 8, blockHours: 2, replicas: ['a', 'b'], newest: true }
const long = { blocks: 1, blockHours: 48, replicas: ['a'], newest: false }
const noDownsampling = '--downsampling.disable'
const cases: { name: string; bucket: BenchBucket; args: readonly string[] }[] = [
  { name: 'nothing to do', bucket: { ...merge, series: 1, blocks: 1 }, args: [noDownsampling] },
  { name: 'merge 4 × 2 h', bucket: { ...merge, series: 10_000 * scale }, args: [noDownsampling] },
  { name: 'merge, twice the series', bucket: { ...merge, series: 20_000 * scale }, args: [noDownsampling] },
  {
    name: 'two replicas, one-to-one',
    bucket: { ...replicas, series: 10_000 * scale },
    args: [noDownsampling, '--deduplication.replica-label=replica'],
  },
  {
    name: 'two replicas, penalty',
    bucket: { ...replicas, series: 10_000 * scale },
    args: [noDownsampling, '--deduplication.replica-label=replica', '--deduplication.func=penalty'],
  },
  { name: 'downsample 48 h', bucket: { ...long, series: 2000 * scale }, args: [] },
  { name: 'downsample, twice the series', bucket: { ...long, series: 4000 * scale }, args: [] },
]

const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-bench-'))
try {
  await main()
} finally {
  await rm(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const head = ['case'.padEnd(30), 'M samples', 'seconds', 'M/s', 'MiB']
  if (thanos) head.push('theirs: s', 'MiB', 'ratio: time', 'memory')
  console.log(head.join('  '))
  for (const one of cases) {
    if (flags.only && !one.name.includes(flags.only)) continue
    const input = path.join(folder, 'input')
    const samples = (await writeBenchBucket(input, one.bucket)) / 1e6
    const ours = await medians(input, mnemo, ['compact', ...one.args])
    const theirs = thanos ? await medians(input, thanos, ['compact', ...one.args]) : undefined
    await rm(input, { recursive: true })
    print(one.name, samples, ours, theirs)
  }
}

/** The medians of the runs, each over a fresh copy of the bucket. */
async function medians(input: string, command: string, args: readonly string[]): Promise<Measured> {
  const measured: Measured[] = []
  for (let i = 0; i < runs; i++) {
    const work = path.join(folder, 'work')
    await mkdir(work)
    await cp(input, path.join(work, 'bucket'), { recursive: true })
    const place = await openBucketPlace(flags.s3)
    const config = path.join(work, 'bucket.yaml')
    await writeFile(config, await place.put(path.join(work, 'bucket')))
    const common = ['--http-address=127.0.0.1:0', `--data-dir=${work}/data`, `--objstore.config-file=${config}`]
    measured.push(await runMeasured(command, [...args, ...common]))
    await place.stop()
    await rm(work, { recursive: true })
  }
  return { seconds: median(measured.map((run) => run.seconds)), peakMiB: median(measured.map((run) => run.peakMiB)) }
}

function print(name: string, samples: number, ours: Measured, theirs: Measured | undefined): void {
  const cells = [
    name.padEnd(30),
    samples.toFixed(1).padStart(9),
    ours.seconds.toFixed(2).padStart(7),
    (samples / ours.seconds).toFixed(1).padStart(3),
    ours.peakMiB.toFixed(0).padStart(3),
  ]
  if (theirs)
    cells.push(
      theirs.seconds.toFixed(2).padStart(9),
      theirs.peakMiB.toFixed(0).padStart(3),
      (theirs.seconds / ours.seconds).toFixed(2).padStart(11),
      (theirs.peakMiB / ours.peakMiB).toFixed(2).padStart(6),
    )
  console.log(cells.join('  '))
}
