// A querier as a process, and stores for it that a test serves over gRPC from golden blocks of two replicas.
// Owns how they are started; the test stops them.
import { readdirSync, readFileSync } from 'node:fs'
import { type GrpcServer, type ServerTls, startGrpc } from '../../lib/kit/grpc.ts'
import { createLogger } from '../../lib/kit/log.ts'
import { createRegistry } from '../../lib/kit/metrics.ts'
import { Probe } from '../../lib/kit/probe.ts'
import { storeService } from '../../lib/storeapi/server.ts'
import { type BlockStore, openBlockStore } from './block-store-api.ts'
import { goldenPath } from './golden.ts'
import { TestProcess } from './process.ts'

export interface Reply {
  readonly httpStatus: number
  readonly status: string
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared, not worked with
  readonly data: any
  readonly errorType?: string
  readonly error?: string
  readonly warnings?: string[]
}

export interface Served {
  readonly store: BlockStore
  readonly address: string
  /** Cuts every connection. */
  cut(): Promise<void>
}

function folders(replica: string): string[] {
  const bucket = goldenPath('dedup', 'bucket')
  const all = readdirSync(bucket).map((name) => `${bucket}/${name}`)
  return all.filter(
    (folder) => JSON.parse(readFileSync(`${folder}/meta.json`, 'utf8')).thanos.labels.replica === replica,
  )
}

/** A store over gRPC that has the golden blocks of a replica. */
export async function serve(
  replica: string,
  address = '127.0.0.1:0',
  componentType = 'store',
  tls?: ServerTls,
): Promise<Served> {
  const store = await openBlockStore(folders(replica), { componentType })
  const server: GrpcServer = await startGrpc(
    {
      address,
      registry: createRegistry(),
      probe: new Probe(),
      logger: createLogger({ level: 'silent' }),
      signal: new AbortController().signal,
      graceMs: 0,
      ...(tls && { tls }),
    },
    storeService(store),
  )
  const cut = async () => {
    await server.close()
    await store.close()
  }
  return { store, address: server.address, cut }
}

/** The querier as a process, ready. */
export async function startQuerier(...args: string[]): Promise<{ process: TestProcess; url: string }> {
  const bin = new URL('../../bin/mnemo', import.meta.url).pathname
  const all = [
    'query',
    '--http-address=127.0.0.1:0',
    '--grpc-address=127.0.0.1:0',
    '--query.workers=2',
    '--query.replica-label=replica',
    ...args,
  ]
  const process = await TestProcess.start({ command: bin, args: all })
  const [, address] = await process.waitForOutput(/requests and metrics" address=(\S+)/)
  const url = `http://${address}`
  await process.waitForHttp(`${url}/-/ready`)
  return { process, url }
}

export async function get(url: string, path: string, search = ''): Promise<Reply> {
  const response = await fetch(`${url}/api/v1/${path}?${search}`)
  return { httpStatus: response.status, ...((await response.json()) as Omit<Reply, 'httpStatus'>) }
}

/** The address of a querier's gRPC server. */
export async function grpcAddress({ process }: { process: TestProcess }): Promise<string> {
  return (await process.waitForOutput(/serving gRPC" address=(\S+)/))[1]!
}

export const atEnd = 'time=1700020800'
export const count = `query=count(r_gauge)&${atEnd}`
