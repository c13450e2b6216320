// The reference of flags and metrics as the running services tell it: --help of each, /metrics of each.
// Owns the document's form; docs/reference.md is this text (`UPDATE=1 npm test -- test/docs` writes it anew).
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { forEachBounded } from '../../lib/kit/bounded.ts'
import { freePorts } from '../support/free-port.ts'
import { run, TestProcess } from '../support/process.ts'

const mnemo = fileURLToPath(new URL('../../services/mnemo.ts', import.meta.url))
const bucketTools = [
  'ls',
  'inspect',
  'verify',
  'mark',
  'cleanup',
  'retention',
  'downsample',
  'replicate',
  'upload-blocks',
]
const tools = [
  ...bucketTools.map((name) => `tools bucket ${name}`),
  'tools tsdb dump',
  'tools storeapi info',
  'tools storeapi series',
]
const services = ['sidecar', 'store', 'query', 'compact', 'cluster', ...tools]

const startedAtOnce = 3

const head = `# Reference

Every flag and every metric, as the services themselves tell them. Flags and metrics that Thanos has too are named as there.
Durations are written as in Prometheus or Go (\`5m\`, \`1h30m\`, \`2d\`), sizes with powers of 1024 (\`250MB\`, \`1GiB\`).
Each service serves \`/metrics\`, \`/-/healthy\` and \`/-/ready\` over HTTP, and gRPC health where it serves gRPC.
`

/** The whole document. Starts each service once, on loopback. */
export async function reference(): Promise<string> {
  const help = new Map<string, string>()
  await forEachBounded(services, startedAtOnce, async (service) => void help.set(service, await helpOf(service)))
  const flags = services.map((service) => `### ${service}\n\n\`\`\`text\n${help.get(service)!.trim()}\n\`\`\`\n`)
  return [head, '## Flags\n', ...flags, '## Metrics\n', await metricsTable()].join('\n')
}

async function helpOf(service: string): Promise<string> {
  const text = await run(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    mnemo,
    ...service.split(' '),
    '--help',
  ])
  // The one default that depends on the machine.
  return text.replace(/(--(?:query|store)\.workers)=\d+/g, '$1=<cores, at most 8>')
}

interface Metric {
  readonly kind: string
  readonly help: string
  readonly services: string[]
}

async function metricsTable(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'reference-'))
  const metrics = new Map<string, Metric>()
  try {
    for (const [service, text] of await scrapeAll(folder)) addMetrics(metrics, service, text)
  } finally {
    await rm(folder, { recursive: true })
  }
  const rows = [...metrics]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([name, { kind, help, services }]) =>
        `| \`${name}\` | ${kind} | ${services.join(', ')} | ${help.replaceAll('|', '\\|')} |`,
    )
  return `Besides those of the process (\`process_…\`, \`nodejs_…\`):\n\n| metric | kind | service | tells |\n|---|---|---|---|\n${rows.join('\n')}\n`
}

async function scrapeAll(folder: string): Promise<[string, string][]> {
  const [sidecar, store, query, compact, grpcA, grpcB, grpcC, nobody] = await freePorts(8)
  const objstore = `--objstore.config=${JSON.stringify({ type: 'FILESYSTEM', config: { directory: path.join(folder, 'bucket') } })}`
  const data = (name: string) => `--data-dir=${path.join(folder, name)}`
  return Promise.all([
    scrape('sidecar', sidecar!, [
      `--grpc-address=127.0.0.1:${grpcA}`,
      `--prometheus.url=http://127.0.0.1:${nobody}`,
      objstore,
    ]),
    scrape('store', store!, [`--grpc-address=127.0.0.1:${grpcB}`, data('store'), objstore]),
    scrape('query', query!, [`--grpc-address=127.0.0.1:${grpcC}`]),
    scrape('compact', compact!, ['--wait', data('compact'), objstore]),
  ])
}

async function scrape(service: string, port: number, args: readonly string[]): Promise<[string, string]> {
  const process_ = await TestProcess.start({
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', mnemo, service, `--http-address=127.0.0.1:${port}`, ...args],
  })
  try {
    // A sidecar without its Prometheus is healthy, but never ready; it has its metrics all the same.
    await process_.waitForHttp(`http://127.0.0.1:${port}/-/${service === 'sidecar' ? 'healthy' : 'ready'}`)
    return [service, await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()]
  } finally {
    await process_.stop()
  }
}

function addMetrics(metrics: Map<string, Metric>, service: string, text: string): void {
  for (const [, name, help, kind] of text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\S+)$/gm)) {
    if (/^(process|nodejs)_/.test(name!)) continue
    const known = metrics.get(name!)
    if (known) known.services.push(service)
    else metrics.set(name!, { kind: kind!, help: help!, services: [service] })
  }
}
