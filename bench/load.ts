// How fast health is answered while the querier and the store are busy: heavy queries one after another, small ones beside them.
// --seconds=N sets how long, --quick makes it short. Every probe must be answered by 200.
// Prints the probes' median, 99th percentile and maximum for each service, and how many queries were answered meanwhile.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startCluster } from '../test/support/cluster.ts'
import { wideBlock, writeWideBlock } from '../test/support/wide-block.ts'

const { values: flags } = parseArgs({
  options: { seconds: { type: 'string', default: '20' }, quick: { type: 'boolean', default: false } },
})
const durationMs = flags.quick ? 5_000 : Number(flags.seconds) * 1000
const smallAtOnce = 10
const probeEveryMs = 10

const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-load-'))
const bucket = path.join(folder, 'bucket')
await writeWideBlock(bucket)
const cluster = await startCluster({ bucket, workFolder: folder })
try {
  const untilMs = performance.now() + durationMs
  const [heavy, small, ...probes] = await Promise.all([
    repeat(untilMs, () => ask('sum(sum_over_time(wide[5d]))')),
    Promise.all(Array.from({ length: smallAtOnce }, () => repeat(untilMs, () => ask('sum(small)')))),
    probe(cluster.url, untilMs),
    probe(cluster.storeUrl, untilMs),
  ])
  const samples = wideBlock.wideSeries * wideBlock.samplesPerSeries
  console.log(`${heavy.length} queries of ${samples / 1e6} M samples each, ${small.flat().length} small ones`)
  for (const [i, name] of ['querier', 'store'].entries()) console.log(`${name}: ${describe(probes[i]!)}`)
} finally {
  await cluster.stop()
  await rm(folder, { recursive: true })
}

async function ask(query: string): Promise<void> {
  const url = `${cluster.url}/api/v1/query?${new URLSearchParams({ query, time: String(wideBlock.lastMs / 1000) })}`
  const response = await fetch(url)
  const body = await response.text()
  if (response.status !== 200 || body.includes('"warnings"')) throw new Error(`${query}: ${response.status} ${body}`)
}

async function probe(url: string, untilMs: number): Promise<number[]> {
  return repeat(
    untilMs,
    async () => {
      const { status } = await fetch(`${url}/-/healthy`)
      if (status !== 200) throw new Error(`health of ${url}: ${status}`)
    },
    probeEveryMs,
  )
}

/** The times of the work, ms, done again and again. */
async function repeat(untilMs: number, work: () => Promise<void>, pauseMs = 0): Promise<number[]> {
  const timesMs: number[] = []
  while (performance.now() < untilMs) {
    const startMs = performance.now()
    await work()
    timesMs.push(performance.now() - startMs)
    if (pauseMs > 0) await sleep(pauseMs)
  }
  return timesMs
}

function describe(timesMs: readonly number[]): string {
  const sorted = timesMs.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!.toFixed(1)
  return `${sorted.length} probes, ms: median ${at(0.5)}, p99 ${at(0.99)}, maximum ${at(1)}`
}
