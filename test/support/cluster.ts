// A store gateway and a querier over a bucket in a directory, and a real Prometheus over blocks, as processes on loopback.
// Used by end-to-end tests and benchmarks.
// Owns the processes it started until stop().
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePorts } from './free-port.ts'
import { TestProcess } from './process.ts'

const executable = fileURLToPath(new URL('../../bin/mnemo', import.meta.url))

/** A running server of Prometheus's HTTP API, and the processes that make it up by name. */
export interface ApiServer {
  readonly url: string
  readonly processes: Readonly<Record<string, TestProcess>>
  stop(): Promise<void>
}

/** Starts `bin/mnemo <args>`. */
export function startMnemo(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<TestProcess> {
  return TestProcess.start({ command: executable, args, env })
}

/** The flag that names a bucket in a directory. */
export function bucketFlag(directory: string): string {
  return `--objstore.config=${JSON.stringify({ type: 'FILESYSTEM', config: { directory } })}`
}

export interface ClusterOptions {
  /** The bucket's directory. */
  readonly bucket: string
  /** A directory of the cluster's own. */
  readonly workFolder: string
  readonly storeArgs?: readonly string[]
  readonly queryArgs?: readonly string[]
  /** Environment of both processes. */
  readonly env?: Readonly<Record<string, string>>
}

/** A store that has synchronised its blocks, and a querier that knows it; `replica` is the label of replicas. */
export async function startCluster(options: ClusterOptions): Promise<ApiServer & { readonly storeUrl: string }> {
  const { bucket, workFolder, storeArgs = [], queryArgs = [], env } = options
  const [grpc, storeHttp, queryHttp] = (await freePorts(3)) as [number, number, number]
  const local = (port: number) => `127.0.0.1:${port}`
  const processes: Record<string, TestProcess> = {}
  const stop = async () => {
    await Promise.all(Object.values(processes).map((process) => process.stop()))
  }
  try {
    processes.store = await startMnemo(
      [
        'store',
        bucketFlag(bucket),
        `--data-dir=${path.join(workFolder, 'store')}`,
        `--grpc-address=${local(grpc)}`,
        `--http-address=${local(storeHttp)}`,
        ...storeArgs,
      ],
      env,
    )
    await processes.store.waitForHttp(`http://${local(storeHttp)}/-/ready`)
    processes.query = await startMnemo(
      [
        'query',
        `--endpoint=${local(grpc)}`,
        `--http-address=${local(queryHttp)}`,
        '--grpc-address=127.0.0.1:0',
        '--query.replica-label=replica',
        ...queryArgs,
      ],
      env,
    )
    await processes.query.waitForHttp(`http://${local(queryHttp)}/-/ready`)
  } catch (error) {
    await stop()
    throw error
  }
  return { url: `http://${local(queryHttp)}`, storeUrl: `http://${local(storeHttp)}`, processes, stop }
}

/** A Prometheus that scrapes nothing and leaves the blocks of `data` as they are. */
export async function startPrometheus(
  data: string,
  command = 'prometheus',
  args: readonly string[] = [],
): Promise<ApiServer> {
  const [port] = await freePorts(1)
  const config = path.join(data, 'prometheus.yml')
  await mkdir(data, { recursive: true })
  await writeFile(config, 'global: {scrape_interval: 1h}\n')
  const prometheus = await TestProcess.start({
    command,
    args: [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
      // Old blocks stay, and are not compacted.
      '--storage.tsdb.retention.time=100y',
      '--storage.tsdb.min-block-duration=2h',
      '--storage.tsdb.max-block-duration=2h',
      ...args,
    ],
    cwd: data,
  })
  const url = `http://127.0.0.1:${port}`
  try {
    await prometheus.waitForHttp(`${url}/-/ready`)
  } catch (error) {
    await prometheus.kill()
    throw error
  }
  return { url, processes: { prometheus }, stop: async () => void (await prometheus.stop()) }
}
