// The store gateway alone: the Series calls that a querier makes for the dashboard queries, asked again and again as bytes.
// --runs=N and --quick make it shorter; --at-once=N asks so many queries side by side; --data=DIR keeps the blocks for the next run;
// --node-flags=… go to the store's Node.js.
// Prints for each query the median, the CPU time of the store's process and the bytes of frames; in the end CPU by thread, and memory.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Client, credentials, Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js'
import { channelOptions } from '../lib/kit/grpc.ts'
import { infoMethods, storeMethods } from '../lib/storeapi/methods.ts'
import { bucketFlag, startMnemo } from '../test/support/cluster.ts'
import { freePorts } from '../test/support/free-port.ts'
import type { TestProcess } from '../test/support/process.ts'
import { askSeries } from './support/ask-series.ts'
import { dashboardQueries, fromMs, steps, toMs, writeDashboardBlocks } from './support/dashboard-data.ts'

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '20' },
    quick: { type: 'boolean', default: false },
    'at-once': { type: 'string', default: '1' },
    data: { type: 'string' },
    'node-flags': { type: 'string', default: '' },
    'store-flags': { type: 'string', default: '' },
  },
})
const runs = flags.quick ? 5 : Number(flags.runs)
const warmUps = flags.quick ? 5 : 10
const atOnce = Number(flags['at-once'])

interface Recorded {
  readonly query: string
  readonly requests: readonly Buffer[]
}

const folder = await mkdtemp(path.join(tmpdir(), 'mnemo-bench-'))
const processes: TestProcess[] = []
try {
  await main()
} finally {
  await Promise.all(processes.map((process) => process.stop()))
  await rm(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const bucket = flags.data ?? path.join(folder, 'bucket')
  if (!existsSync(bucket)) await writeDashboardBlocks(bucket)
  const [grpc, http] = (await freePorts(2)) as [number, number]
  const store = await startMnemo(
    [
      'store',
      bucketFlag(bucket),
      `--data-dir=${path.join(folder, 'store')}`,
      `--grpc-address=127.0.0.1:${grpc}`,
      `--http-address=127.0.0.1:${http}`,
      ...flags['store-flags'].split(' ').filter((flag) => flag !== ''),
    ],
    { NODE_OPTIONS: flags['node-flags'] },
  )
  processes.push(store)
  await store.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
  const client = new Client(`127.0.0.1:${grpc}`, credentials.createInsecure(), channelOptions())
  const recorded = await record(client)
  console.log(`${recorded.length} queries, mean of ${runs} runs after ${warmUps}, ${atOnce} at once`)
  console.log(`${['ms', 'CPU ms', 'MB', 'calls'].map((title) => title.padStart(8)).join('')}  query`)
  let [wall, cpu] = [0, 0]
  const before = threadTicks(store.pid)
  for (const { query, requests } of recorded) {
    const ask = async () => {
      const sizes = await Promise.all(requests.map((request) => askSeries(client, request)))
      return sizes.reduce((sum, size) => sum + size, 0)
    }
    for (let i = 0; i < warmUps; i++) await ask()
    const startTicks = ticksOf(store.pid)
    const timesMs: number[] = []
    let bytes = 0
    for (let i = 0; i < runs; i++) {
      const startMs = performance.now()
      const sizes = await Promise.all(Array.from({ length: atOnce }, ask))
      bytes = sizes[0]!
      timesMs.push((performance.now() - startMs) / atOnce)
    }
    await sleep(20)
    const cpuMs = (10 * (ticksOf(store.pid) - startTicks)) / runs / atOnce
    const ms = timesMs.sort((a, b) => a - b)[runs >> 1]!
    wall += ms
    cpu += cpuMs
    const columns = [ms.toFixed(2), cpuMs.toFixed(2), (bytes / 1e6).toFixed(2), String(requests.length)]
    console.log(`${columns.map((column) => column.padStart(8)).join('')}  ${query}`)
  }
  console.log(`sums: ${wall.toFixed(1)} ms, ${cpu.toFixed(1)} ms of CPU`)
  const used = [...threadTicks(store.pid)].map(
    ([thread, ticks]) => [thread, ticks - (before.get(thread) ?? 0)] as const,
  )
  const rows = used.filter(([, ticks]) => ticks > 20).map(([thread, ticks]) => `${thread} ${10 * ticks}`)
  console.log(`CPU by thread, ms: ${rows.join(', ')}`)
  console.log(`store: ${memoryOf(store.pid)}`)
  client.close()
}

/** The requests of each query: a querier asks the store through us. */
async function record(client: Client): Promise<Recorded[]> {
  const requests: Buffer[] = []
  const server = new Server()
  server.addService(storeMethods, {
    Series: async (call: ServerWritableStream<Buffer, Buffer>) => {
      requests.push(call.request)
      await askSeries(client, call.request, (frame) => void call.write(frame))
      call.end()
    },
  })
  server.addService(infoMethods, {
    Info: (call: { request: Buffer }, callback: (error: Error | null, response?: Buffer) => void) => {
      const { path, requestSerialize, responseDeserialize } = infoMethods.Info
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, call.request, callback)
    },
  })
  const [http] = (await freePorts(1)) as [number]
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    ),
  )
  const querier = await startMnemo([
    'query',
    `--endpoint=127.0.0.1:${port}`,
    `--http-address=127.0.0.1:${http}`,
    '--grpc-address=127.0.0.1:0',
    '--query.replica-label=replica',
  ])
  try {
    await querier.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
    const recorded: Recorded[] = []
    for (const query of dashboardQueries) {
      requests.length = 0
      const step = (toMs - fromMs) / steps / 1000
      const times = `start=${fromMs / 1000 + step}&end=${toMs / 1000}&step=${step}`
      const response = await fetch(
        `http://127.0.0.1:${http}/api/v1/query_range?${times}&query=${encodeURIComponent(query)}`,
      )
      if (response.status !== 200) throw new Error(`${query}: ${await response.text()}`)
      await response.arrayBuffer()
      recorded.push({ query, requests: [...requests] })
    }
    return recorded
  } finally {
    await querier.stop()
    server.forceShutdown()
  }
}

/** User and system time of a process, in ticks of 10 ms. */
function ticksOf(pid: number): number {
  return ticksIn(`/proc/${pid}/stat`)
}

function ticksIn(file: string): number {
  const fields = readFileSync(file, 'utf8').split(') ').at(-1)!.split(' ')
  return Number(fields[11]) + Number(fields[12])
}

/** As ticksOf(), by thread. */
function threadTicks(pid: number): Map<string, number> {
  const threads = readdirSync(`/proc/${pid}/task`)
  return new Map(
    threads.map((thread) => {
      const name = readFileSync(`/proc/${pid}/task/${thread}/comm`, 'utf8').trim()
      return [`${name}/${thread}`, ticksIn(`/proc/${pid}/task/${thread}/stat`)]
    }),
  )
}

/** Resident memory now and at its most. */
function memoryOf(pid: number): string {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mib = (field: string) => Math.round(Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024)
  return `${mib('VmRSS')} MiB resident, ${mib('VmHWM')} MiB at most`
}
