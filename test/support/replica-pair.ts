// Two real Prometheus replicas that scrape one target every second and cut blocks of 20 s, their sidecars, store,
// compactor and querier as real processes over an S3 bucket: what end-to-end tests stop, kill and start parts of.
// Owns every process and the folders' contents until stop().
import path from 'node:path'
import type { Ceph } from './ceph.ts'
import { startMnemo } from './cluster.ts'
import { freePorts } from './free-port.ts'
import type { TestProcess } from './process.ts'
import { type Exposition, type Prometheus, startExposition, startPrometheusOver } from './prometheus.ts'

export type ReplicaName = 'a' | 'b'

/** One replica: its Prometheus, which may be started again over the same data, and its sidecar. */
export interface Replica {
  prometheus: Prometheus
  readonly sidecar: TestProcess
  /** Starts Prometheus again, over its data, at its address. */
  restart(): Promise<void>
}

export interface ReplicaPair {
  readonly replicas: Readonly<Record<ReplicaName, Replica>>
  /** The querier's. */
  readonly url: string
  /** What the compactor has said so far, for failures. */
  compactorOutput(): string
  stop(): Promise<void>
}

/** Blocks of 20 s are cut when the head spans 30 s, and are merged by the compactor to ever longer ones. */
export const blockDuration = '20s'

/** All ready when this resolves. The target's counter goes up by one every 100 ms, whoever scrapes it and when. */
export async function startReplicaPair(folder: string, ceph: Ceph, bucket: string): Promise<ReplicaPair> {
  const stops: (() => Promise<unknown>)[] = []
  const stop = async () => {
    for (const end of stops.reverse()) await end()
  }
  const objstore = `--objstore.config=${ceph.config(bucket)}`
  const start = async (service: string, http: number, flags: readonly string[]) => {
    const process = await startMnemo([service, `--http-address=127.0.0.1:${http}`, ...flags])
    stops.push(() => process.stop())
    await process.waitForHttp(`http://127.0.0.1:${http}/-/ready`, 60_000)
    return process
  }
  try {
    const startMs = Date.now()
    const target = await startExposition(() => `ticks_total ${Math.floor((Date.now() - startMs) / 100)}\n`)
    stops.push(() => target.stop())
    const ports = (await freePorts(8)) as [number, number, number, number, number, number, number, number]
    const [httpA, grpcA, httpB, grpcB, httpStore, grpcStore, httpQuery, httpCompact] = ports
    const replica = (name: ReplicaName, http: number, grpc: number) =>
      startReplica({
        folder,
        name,
        target,
        start: (url, data) =>
          start('sidecar', http, [
            `--prometheus.url=${url}`,
            `--tsdb.path=${data}`,
            `--grpc-address=127.0.0.1:${grpc}`,
            '--prometheus.get_config_interval=1s',
            objstore,
          ]),
        stops,
      })
    const [a, b] = await Promise.all([replica('a', httpA, grpcA), replica('b', httpB, grpcB)])
    const [, compactor] = await Promise.all([
      start('store', httpStore, [
        `--data-dir=${path.join(folder, 'store')}`,
        `--grpc-address=127.0.0.1:${grpcStore}`,
        '--sync-block-duration=2s',
        '--ignore-deletion-marks-delay=10s',
        objstore,
      ]),
      start('compact', httpCompact, [
        '--wait',
        '--wait-interval=5s',
        `--data-dir=${path.join(folder, 'compact')}`,
        '--compact.ranges=20s,40s,4m',
        '--consistency-delay=0s',
        '--delete-delay=30s',
        objstore,
      ]),
      start('query', httpQuery, [
        '--grpc-address=127.0.0.1:0',
        ...[grpcStore, grpcA, grpcB].map((port) => `--endpoint=127.0.0.1:${port}`),
        '--query.replica-label=replica',
      ]),
    ])
    return { replicas: { a, b }, url: `http://127.0.0.1:${httpQuery}`, compactorOutput: () => compactor.output, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface ReplicaSetup {
  readonly folder: string
  readonly name: ReplicaName
  readonly target: Exposition
  readonly start: (prometheusUrl: string, data: string) => Promise<TestProcess>
  readonly stops: (() => Promise<unknown>)[]
}

async function startReplica({ folder, name, target, start, stops }: ReplicaSetup): Promise<Replica> {
  const data = path.join(folder, `prometheus-${name}`)
  const startPrometheus = (port?: number) =>
    startPrometheusOver({
      data,
      externalLabels: { cluster: 'e2e', replica: name },
      targets: [target.address],
      minBlockDuration: blockDuration,
      ...(port !== undefined && { port }),
    })
  const prometheus = await startPrometheus()
  const replica = {
    prometheus,
    sidecar: undefined as TestProcess | undefined,
    async restart() {
      replica.prometheus = await startPrometheus(prometheus.port)
    },
  }
  stops.push(() => replica.prometheus.stop())
  replica.sidecar = await start(prometheus.url, data)
  return replica as Replica
}
