// A real Prometheus that scrapes what a test exposes, with external labels and block durations of the test's choosing.
// Owns the process; the data folder is the caller's, and outlives a restart.
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import path from 'node:path'
import { freePort, portOf } from './free-port.ts'
import { hasCommand, TestProcess } from './process.ts'

/**
 * Has tests take the Prometheus at `executable`, and the promtool beside it, rather than those on the PATH.
 * Throws where it has another name: the one on the PATH would be taken without a word.
 */
export function preferPrometheus(executable: string): void {
  if (path.basename(executable) !== 'prometheus')
    throw new Error(`cannot use ${executable}: want a file named prometheus`)
  process.env.PATH = `${path.dirname(executable)}:${process.env.PATH}`
}

/** Why there can be no Prometheus here, in one line; undefined: there can. */
export function whyNoPrometheus(test: string, commands: readonly string[] = ['prometheus']): string | undefined {
  const missing = commands.filter((command) => !hasCommand(command))
  return missing.length === 0 ? undefined : `left out: ${test} (not on this machine: ${missing.join(', ')})`
}

export interface PrometheusOptions {
  /** Its data folder, made where it is not there. */
  readonly data: string
  readonly externalLabels: Readonly<Record<string, string>>
  /** host:port of what it scrapes, as job "test", the labels of the exposition honoured. */
  readonly targets?: readonly string[]
  /** Jobs in Prometheus's words, instead of `targets`. */
  readonly scrapeConfigs?: readonly object[]
  readonly scrapeInterval?: string
  readonly ruleFiles?: readonly string[]
  readonly minBlockDuration?: string
  /** The same as the minimum unless told. */
  readonly maxBlockDuration?: string
  readonly port?: number
  readonly args?: readonly string[]
}

export interface Prometheus {
  readonly process: TestProcess
  readonly port: number
  readonly address: string
  readonly url: string
  /** `data` of an answer of its HTTP API. */
  api<T>(path: string, params?: Readonly<Record<string, string>>): Promise<T>
  stop(): Promise<void>
}

/** Starts it; ready when this resolves. A restart takes the same folder and port. */
export async function startPrometheusOver(options: PrometheusOptions): Promise<Prometheus> {
  const { data, externalLabels, targets = [], ruleFiles = [], minBlockDuration = '2h', args = [] } = options
  const { scrapeInterval = '1s' } = options
  const port = options.port ?? (await freePort())
  const config = {
    global: { scrape_interval: scrapeInterval, evaluation_interval: scrapeInterval, external_labels: externalLabels },
    rule_files: ruleFiles,
    scrape_configs: options.scrapeConfigs ?? [{ job_name: 'test', honor_labels: true, static_configs: [{ targets }] }],
  }
  await mkdir(data, { recursive: true })
  // Beside the data folder, where nothing but Prometheus's own should be. JSON is YAML.
  const file = `${path.resolve(data)}.yml`
  await writeFile(file, JSON.stringify(config))
  const started = await TestProcess.start({
    command: 'prometheus',
    args: [
      `--config.file=${file}`,
      `--storage.tsdb.path=${data}`,
      `--storage.tsdb.min-block-duration=${minBlockDuration}`,
      `--storage.tsdb.max-block-duration=${options.maxBlockDuration ?? minBlockDuration}`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...args,
    ],
  })
  const url = `http://127.0.0.1:${port}`
  try {
    await started.waitForHttp(`${url}/-/ready`)
  } catch (error) {
    await started.kill()
    throw error
  }
  return {
    process: started,
    port,
    address: `127.0.0.1:${port}`,
    url,
    api: (path, params) => prometheusApi(url, path, params),
    stop: async () => void (await started.stop()),
  }
}

/** `data` of an answer of Prometheus's HTTP API at `url`; an error answer throws what it says. */
export async function prometheusApi<T>(
  url: string,
  path: string,
  params: Readonly<Record<string, string>> = {},
): Promise<T> {
  const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(params)}`)
  const answer = (await response.json()) as { status: string; data: T; error?: string }
  if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`)
  return answer.data
}

/** A matrix of the HTTP API. */
export interface Matrix {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>
    readonly values: readonly (readonly [seconds: number, value: string])[]
  }[]
}

export interface Exposition {
  readonly address: string
  stop(): Promise<void>
}

/** What OpenMetrics is sent as: only of that Prometheus reads exemplars. */
export const openMetricsType = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

/** A target: `text()` at every scrape. */
export async function startExposition(
  text: () => string,
  contentType = 'text/plain; version=0.0.4',
): Promise<Exposition> {
  const server: Server = createServer((_, response) => {
    response.setHeader('content-type', contentType)
    response.end(text())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    address: `127.0.0.1:${portOf(server)}`,
    async stop() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
