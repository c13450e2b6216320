// `mnemo cluster`: a whole small cluster on loopback, to try it out and to develop against.
// Checks folder and ports, fills or feeds the bucket, starts the parts, shows where they are, ends them together.
// Owns the order of these steps; what runs is in parts.ts.
import { access, constants } from 'node:fs/promises'
import { createServer } from 'node:net'
import { parseListenAddress } from '../../lib/kit/address.ts'
import { MnemoError } from '../../lib/kit/errors.ts'
import { runService, type ServiceContext } from '../../lib/kit/lifecycle.ts'
import { makeFolder } from '../../lib/kit/make-folder.ts'
import { Children } from './children.ts'
import { type ClusterConfig, flags, folders } from './config.ts'
import { DemoBucket, freshBlockMs } from './demo-bucket.ts'
import { showExample } from './example.ts'
import { parts, prometheusVersion, scrapedTargets } from './parts.ts'

const readyTimeoutMs = 60_000

export function main(argv: string[]): Promise<void> {
  return runService({
    name: 'cluster',
    summary:
      'Runs a whole cluster on this machine: two Prometheus replicas with sidecars where there is a Prometheus, else made-up series; a store, a querier, a compactor; a folder as the bucket.',
    flags,
    argv,
    run,
  })
}

async function run(config: ClusterConfig, ctx: ServiceContext): Promise<void> {
  const version = prometheusVersion(config.prometheus)
  const withPrometheus = version !== undefined
  await prepareFolders(config)
  await checkPorts(config, withPrometheus)
  const stop = new AbortController()
  ctx.onStop('demo data', () => stop.abort())
  if (withPrometheus) say(`Prometheus: ${version}, two replicas of it scrape this cluster every 5 s`)
  else {
    say(`no ${config.prometheus || 'Prometheus'} on the PATH: the bucket gets made-up series of two replicas instead`)
    const demo = new DemoBucket(folders(config).bucket, folders(config).below('demo'))
    say(await demo.fill(ctx.signal))
    feed(demo, stop.signal, ctx)
  }
  const children = new Children(folders(config).logs)
  ctx.onStop('parts', () => children.stop())
  for (const part of await parts(config, withPrometheus)) await children.start(part)
  say('starting the parts …')
  await children.untilReady(readyTimeoutMs, ctx.signal)
  showAddresses(config, withPrometheus)
  await showExample(
    config.queryHttp,
    withPrometheus ? { targets: scrapedTargets, lanes: 2 } : { targets: 1, lanes: 1 },
    ctx.signal,
  )
  say('Ctrl-C ends it; the data stays, and the next start goes on with it.')
  await Promise.race([ctx.untilStopped(), children.untilOneEnds()])
}

/** Adds to the bucket what has passed, every two minutes, until stopped. */
function feed(demo: DemoBucket, signal: AbortSignal, { logger }: ServiceContext): void {
  const timer = setInterval(
    () => demo.fill(signal).catch((err: unknown) => logger.error({ err }, 'could not add demo data')),
    freshBlockMs,
  )
  signal.addEventListener('abort', () => clearInterval(timer))
}

async function prepareFolders(config: ClusterConfig): Promise<void> {
  const { data, bucket, logs } = folders(config)
  try {
    for (const folder of [data, bucket, logs]) {
      await makeFolder(folder)
      await access(folder, constants.R_OK | constants.W_OK | constants.X_OK)
    }
  } catch (cause) {
    throw new MnemoError('config', `cannot use --data-dir ${data}`, { cause })
  }
}

/** Names the flag of the first port that is taken, before anything is started. */
async function checkPorts(config: ClusterConfig, withPrometheus: boolean): Promise<void> {
  for (const [key, flag] of Object.entries(flags)) {
    const value = config[key as keyof ClusterConfig]
    if (!/address$/.test(flag.name) || typeof value !== 'string') continue
    if (!withPrometheus && /^(sidecar|prometheus)-/.test(flag.name)) continue
    const { host, port } = parseListenAddress(value)
    const server = createServer()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject).listen(port, host, resolve)
    try {
      await promise
    } catch (cause) {
      throw new MnemoError('config', `cannot listen at ${value}: choose another address with --${flag.name}`, { cause })
    }
    await new Promise((resolve) => server.close(resolve))
  }
}

function showAddresses(config: ClusterConfig, withPrometheus: boolean): void {
  const rows: [string, string][] = [
    ['querier (Grafana: add it as a Prometheus data source)', `http://${config.queryHttp}`],
    ['store', `http://${config.storeHttp}, StoreAPI at ${config.storeGrpc}`],
    ['compactor', `http://${config.compactHttp}`],
  ]
  if (withPrometheus)
    rows.push(
      ['sidecars', `http://${config.sidecarAHttp} and http://${config.sidecarBHttp}`],
      ['Prometheus replicas', `http://${config.prometheusA} and http://${config.prometheusB}`],
    )
  rows.push(['data, logs', folders(config).data])
  say(rows.map(([name, where]) => `  ${name}: ${where}`).join('\n'))
}

function say(text: string): void {
  console.log(text)
}
