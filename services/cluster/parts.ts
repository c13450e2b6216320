// The command lines of a cluster's parts: what `docker compose up` or a unit file would run, on loopback.
// Short blocks, short delays: what takes days in production is seen within minutes.
// Owns those arguments and the files they name.
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { makeFolder } from '../../lib/kit/make-folder.ts'
import { moduleUrl } from '../../lib/kit/module-url.ts'
import type { ChildOptions } from './children.ts'
import { type ClusterConfig, folders } from './config.ts'
import { freshBlockMs } from './demo-bucket.ts'
import { type Replica, replicas } from './demo-series.ts'

const executable = fileURLToPath(moduleUrl('services/mnemo.ts'))

/** Targets of each Prometheus: three services, two sidecars, two Prometheus. */
export const scrapedTargets = 7
/** Blocks of 2 minutes are merged into ever longer ones. */
const compactRanges = '2m,10m,1h,6h,2d,14d'

/** The version line of a usable Prometheus, undefined where there is none. */
export function prometheusVersion(command: string): string | undefined {
  if (command === '') return undefined
  const { status, stdout, stderr } = spawnSync(command, ['--version'], { encoding: 'utf8' })
  if (status !== 0) return undefined
  return /version \S+/.exec(stdout + stderr)?.[0]
}

/** Store, querier and compactor, and per replica a Prometheus with its sidecar where there is a Prometheus. */
export async function parts(config: ClusterConfig, withPrometheus: boolean): Promise<ChildOptions[]> {
  const { bucket, below } = folders(config)
  const objstore = `--objstore.config=${JSON.stringify({ type: 'FILESYSTEM', config: { directory: bucket } })}`
  const stores = withPrometheus ? [config.storeGrpc, config.sidecarAGrpc, config.sidecarBGrpc] : [config.storeGrpc]
  const own = [
    mnemo('store', config.storeHttp, [
      `--grpc-address=${config.storeGrpc}`,
      `--data-dir=${below('store')}`,
      objstore,
      '--sync-block-duration=10s',
      '--ignore-deletion-marks-delay=1m',
    ]),
    mnemo('compact', config.compactHttp, [
      '--wait',
      '--wait-interval=30s',
      `--data-dir=${below('compact')}`,
      objstore,
      `--compact.ranges=${compactRanges}`,
      '--consistency-delay=0s',
      '--delete-delay=3m',
      '--compact.cleanup-interval=1m',
    ]),
    mnemo('query', config.queryHttp, [
      `--grpc-address=${config.queryGrpc}`,
      ...stores.map((address) => `--endpoint=${address}`),
      '--query.replica-label=replica',
      '--query.auto-downsampling',
    ]),
  ]
  const beside = withPrometheus
    ? await Promise.all(replicas.map((replica) => prometheusWithSidecar(config, replica, objstore)))
    : []
  return [...beside.flat(), ...own]
}

async function prometheusWithSidecar(
  config: ClusterConfig,
  replica: Replica,
  objstore: string,
): Promise<ChildOptions[]> {
  const { below } = folders(config)
  const address = replica === 'a' ? config.prometheusA : config.prometheusB
  const [http, grpc] =
    replica === 'a' ? [config.sidecarAHttp, config.sidecarAGrpc] : [config.sidecarBHttp, config.sidecarBGrpc]
  const folder = below(`prometheus-${replica}`)
  const configFile = below(`prometheus-${replica}.yml`)
  await makeFolder(folder)
  await writeFile(configFile, prometheusConfig(config, replica))
  return [
    {
      name: `prometheus-${replica}`,
      command: config.prometheus,
      args: [
        `--config.file=${configFile}`,
        `--storage.tsdb.path=${folder}`,
        `--storage.tsdb.min-block-duration=${freshBlockMs / 1000}s`,
        `--storage.tsdb.max-block-duration=${freshBlockMs / 1000}s`,
        '--storage.tsdb.retention.time=2h',
        `--web.listen-address=${address}`,
      ],
      readyUrl: `http://${address}/-/ready`,
    },
    {
      ...mnemo('sidecar', http, [
        `--grpc-address=${grpc}`,
        `--prometheus.url=http://${address}`,
        `--tsdb.path=${folder}`,
        objstore,
      ]),
      name: `sidecar-${replica}`,
    },
  ]
}

function mnemo(service: string, http: string, args: readonly string[]): ChildOptions {
  return {
    name: service,
    command: process.execPath,
    args: ['--disable-warning=ExperimentalWarning', executable, service, `--http-address=${http}`, ...args],
    readyUrl: `http://${http}/-/ready`,
  }
}

/** Scrapes every part of the cluster, the other replica's sidecar among them. JSON is YAML. */
function prometheusConfig(config: ClusterConfig, replica: Replica): string {
  const job = (name: string, ...targets: string[]) => ({ job_name: name, static_configs: [{ targets }] })
  return JSON.stringify({
    global: { scrape_interval: '5s', external_labels: { cluster: 'demo', replica } },
    scrape_configs: [
      job('query', config.queryHttp),
      job('store', config.storeHttp),
      job('compact', config.compactHttp),
      job('sidecar', config.sidecarAHttp, config.sidecarBHttp),
      job('prometheus', config.prometheusA, config.prometheusB),
    ],
  })
}
