// A store gateway as a process, ours or Thanos's with the same flags: how long until it is ready, its memory, and what it has read of
// its bucket, by its own metrics. Owns the process until stop().
import { readFileSync } from 'node:fs'
import { Client, credentials } from '@grpc/grpc-js'
import { channelOptions } from '../../lib/kit/grpc.ts'
import { freePorts } from '../../test/support/free-port.ts'
import { TestProcess } from '../../test/support/process.ts'
import { peakOf } from './run-measured.ts'

export interface StoreOptions {
  /** The executable: bin/mnemo or a Thanos. */
  readonly command: string
  /** The object storage configuration of its bucket. */
  readonly objstore: string
  readonly dataDir: string
  readonly env?: Readonly<Record<string, string>>
}

/** Range reads of the bucket since the start, and their bytes. */
export interface RangeReads {
  readonly reads: number
  readonly bytes: number
}

const operation = 'thanos_objstore_bucket_operations_total'
const ticksPerSecond = 100
/** The sum of a histogram that both have. */
const moved = 'thanos_objstore_bucket_operation_transferred_bytes_sum'

export class StoreProcess {
  /** From the start of the process until /-/ready answers 200. */
  readonly readySeconds: number
  /** Of the StoreAPI. */
  readonly client: Client
  readonly #process: TestProcess
  readonly #url: string

  private constructor(process: TestProcess, started: { readySeconds: number; url: string; grpc: string }) {
    this.#process = process
    this.#url = started.url
    this.readySeconds = started.readySeconds
    this.client = new Client(started.grpc, credentials.createInsecure(), channelOptions())
  }

  static async start({ command, objstore, dataDir, env = {} }: StoreOptions): Promise<StoreProcess> {
    const [grpc, http] = (await freePorts(2)).map((port) => `127.0.0.1:${port}`) as [string, string]
    const startMs = performance.now()
    const args = [
      'store',
      `--objstore.config=${objstore}`,
      `--data-dir=${dataDir}`,
      `--grpc-address=${grpc}`,
      `--http-address=${http}`,
    ]
    const process = await TestProcess.start({ command, args, env })
    const url = `http://${http}`
    try {
      await process.waitForHttp(`${url}/-/ready`, 120_000)
    } catch (error) {
      await process.kill()
      throw error
    }
    return new StoreProcess(process, { readySeconds: (performance.now() - startMs) / 1000, url, grpc })
  }

  get peakMiB(): number {
    return peakOf(this.#process.pid)
  }

  /** User and system time since the start. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
    return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
  }

  /** All since the start. Throws where the metrics are not there. */
  async rangeReads(): Promise<RangeReads> {
    const text = await (await fetch(`${this.#url}/metrics`)).text()
    return { reads: metricOf(text, operation), bytes: metricOf(text, moved) }
  }

  async stop(): Promise<void> {
    this.client.close()
    await this.#process.stop()
  }
}

function metricOf(metrics: string, name: string): number {
  const line = metrics.split('\n').find((line) => line.startsWith(`${name}{`) && line.includes('operation="get_range"'))
  if (line === undefined) throw new Error(`no metric ${name} of get_range`)
  return Number(line.slice(line.lastIndexOf(' ') + 1))
}
