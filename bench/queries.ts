// Twenty dashboard queries over 6 hours, our store and querier next to Prometheus on the same blocks, over HTTP, taking turns.
// PROMETHEUS=/path names another Prometheus than the one on the PATH; --runs=N and --quick make it shorter.
// Prints medians, ratios (above 1: we are faster), the ratios of CPU time (all threads; a busy machine changes them less), geometric
// means, and what memory each process holds.
import { readFileSync } from 'node:fs'
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { Agent, get as httpGet } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { version } from '../lib/kit/version.ts'
import { type ApiServer, startCluster, startPrometheus } from '../test/support/cluster.ts'
import { hasCommand, run } from '../test/support/process.ts'
import { fromMs, dashboardQueries as queries, steps, toMs, writeDashboardBlocks } from './support/dashboard-data.ts'

const { values: flags } = parseArgs({
  options: { runs: { type: 'string', default: '15' }, quick: { type: 'boolean', default: false } },
})
const runs = flags.quick ? 3 : Number(flags.runs)
const warmUps = flags.quick ? 3 : 10
const prometheus = process.env.PROMETHEUS ?? 'prometheus'

const agent = new Agent({ keepAlive: true })
const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-bench-'))
const servers: ApiServer[] = []
try {
  await main()
} finally {
  await Promise.all(servers.map((server) => server.stop()))
  await rm(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const bucket = path.join(folder, 'bucket')
  const samples = await writeDashboardBlocks(bucket)
  console.log(`${(samples / 1e6).toFixed(2)} M samples, ${steps} steps, median of ${runs} runs after ${warmUps}`)
  console.log(`Mnemo ${version}, Node.js ${process.version}`)
  const ours = await startCluster({ bucket, workFolder: folder })
  servers.push(ours)
  const theirs = await startOther(bucket)
  if (theirs !== undefined) servers.push(theirs)
  const ratios: number[] = []
  const cpuRatios: number[] = []
  const titles = theirs ? ['ms', 'theirs', 'ratio', 'CPU ms', 'theirs', 'ratio'] : ['ms', 'CPU ms']
  console.log(`${titles.map((title) => title.padStart(9)).join('')}  query`)
  for (const query of queries) {
    const [own, other] = (await takeTurns(query, [ours, ...(theirs ? [theirs] : [])])) as [Turns, Turns?]
    const columns = [median(own.timesMs).toFixed(1), own.cpuMs.toFixed(1)]
    if (other !== undefined) {
      ratios.push(median(other.timesMs) / median(own.timesMs))
      cpuRatios.push(other.cpuMs / own.cpuMs)
      columns.splice(1, 0, median(other.timesMs).toFixed(1), ratios.at(-1)!.toFixed(2))
      columns.push(other.cpuMs.toFixed(1), cpuRatios.at(-1)!.toFixed(2))
    }
    console.log(`${columns.map((column) => column.padStart(9)).join('')}  ${query}`)
  }
  if (ratios.length > 0) {
    const means = `${geometricMean(ratios).toFixed(2)} of time, ${geometricMean(cpuRatios).toFixed(2)} of CPU time`
    console.log(`geometric means of the ratios: ${means}`)
  }
  for (const server of servers)
    for (const [name, { pid }] of Object.entries(server.processes)) console.log(`${name}: ${await memoryOf(pid)}`)
}

async function startOther(bucket: string): Promise<ApiServer | undefined> {
  if (!hasCommand(prometheus)) {
    console.log(`${prometheus} is not on this machine: there is nothing to compare with`)
    return undefined
  }
  const said = await run('sh', ['-c', '"$1" --version 2>&1', 'sh', prometheus])
  console.log(said.split('\n')[0])
  const data = path.join(folder, 'prometheus')
  await cp(bucket, data, { recursive: true })
  return startPrometheus(data, prometheus)
}

interface Turns {
  readonly timesMs: number[]
  /** Of one query, in the mean. */
  cpuMs: number
}

/** What each server takes: A B A B …, warm-ups left out. */
async function takeTurns(query: string, servers: readonly ApiServer[]): Promise<Turns[]> {
  const turns = servers.map((): Turns => ({ timesMs: [], cpuMs: 0 }))
  for (let i = -warmUps; i < runs; i++) {
    const answers: number[] = []
    for (const [k, server] of servers.entries()) {
      const cpuBeforeMs = cpuMsOf(server)
      const started = performance.now()
      const body = await fetchRange(server.url, query)
      if (i >= 0) {
        turns[k]!.timesMs.push(performance.now() - started)
        turns[k]!.cpuMs += (cpuMsOf(server) - cpuBeforeMs) / runs
      }
      if (i === -warmUps) answers.push(seriesIn(body))
    }
    if (answers.some((count) => count === 0 || count !== answers[0]))
      throw new Error(`answers of ${answers.join(' and ')} series to ${query}`)
  }
  return turns
}

/** User and system time of the server's processes so far, in ticks of 10 ms. */
function cpuMsOf({ processes }: ApiServer): number {
  let ticks = 0
  for (const { pid } of Object.values(processes)) {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
    ticks += Number(fields[11]) + Number(fields[12])
  }
  return 10 * ticks
}

/** The answer's body, uncompressed: what compression costs is not what is compared. */
function fetchRange(url: string, query: string): Promise<Buffer> {
  const step = (toMs - fromMs) / steps / 1000
  const times = `start=${fromMs / 1000 + step}&end=${toMs / 1000}&step=${step}`
  return new Promise((resolve, reject) => {
    const request = `${url}/api/v1/query_range?${times}&query=${encodeURIComponent(query)}`
    httpGet(request, { agent }, (response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () => resolve(Buffer.concat(parts)))
      response.on('error', reject)
    }).on('error', reject)
  })
}

function seriesIn(body: Buffer): number {
  const { status, error, data } = JSON.parse(body.toString()) as {
    status: string
    error?: string
    data?: { result: unknown[] }
  }
  if (status !== 'success') throw new Error(error)
  return data!.result.length
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!
}

function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length)
}

/** Resident memory now and at its most. */
async function memoryOf(pid: number): Promise<string> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  const mib = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024)
  return `${mib('VmRSS')} MiB resident, ${mib('VmHWM')} MiB at most`
}
