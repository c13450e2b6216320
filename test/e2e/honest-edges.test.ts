// What is wrong at the start is one line that names the flag or the file, and status 2: for every service, certificates, ports,
// folders, and a bucket that refuses its keys; and a querier over no stores says so.
// Owns the processes.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ceph, startCeph, whyNoCeph } from '../support/ceph.ts'
import { bucketFlag, startMnemo } from '../support/cluster.ts'
import { freePort, freePorts, portOf } from '../support/free-port.ts'
import { goldenPath } from '../support/golden.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'edges-'))
  await mkdir(path.join(folder, 'tsdb/wal'), { recursive: true })
})
afterAll(() => rm(folder, { recursive: true }))

const services = ['store', 'sidecar', 'query', 'compact'] as const
type Service = (typeof services)[number]

/** Flags with which a service would start, but for the bucket. */
function flagsOf(service: Service, { http = 0, grpc = 0 } = {}): string[] {
  const own = {
    store: [`--data-dir=${folder}/store`],
    sidecar: ['--prometheus.url=http://127.0.0.1:1', `--tsdb.path=${folder}/tsdb`],
    query: [],
    compact: ['--wait', `--data-dir=${folder}/compact`],
  }
  const ports = [
    `--http-address=127.0.0.1:${http}`,
    ...(service === 'compact' ? [] : [`--grpc-address=127.0.0.1:${grpc}`]),
  ]
  return [service, '--log.level=error', ...ports, ...own[service]]
}

const bucketOf = (service: Service) => (service === 'query' ? [] : [bucketFlag(path.join(folder, 'bucket'))])

/** The one line of a process that ends with status 2. */
async function refused(args: readonly string[]): Promise<string> {
  const process = await startMnemo(args)
  try {
    expect(await process.waitForExit(), process.output).toBe(2)
    const lines = process.output.trim().split('\n')
    expect(lines, process.output).toHaveLength(1)
    return lines[0]!
  } finally {
    await process.kill()
  }
}

describe.each(services)('%s', (service) => {
  test('an unknown flag, a wrong value', async () => {
    expect(await refused([...flagsOf(service), ...bucketOf(service), '--no-such-flag=1'])).toContain('--no-such-flag')
    expect(await refused([...flagsOf(service), ...bucketOf(service), '--http-grace-period=soon'])).toContain(
      '--http-grace-period: got "soon"',
    )
  })

  test('a file that is not there, or is none of its kind', async () => {
    const web = path.join(folder, 'web.yml')
    await writeFile(web, `{tls_server_config: {cert_file: none.pem, key_file: ${goldenPath('tls', 'server.key')}}}`)
    const of = (flag: string) => refused([...flagsOf(service), ...bucketOf(service), flag])
    expect(await of('--http.config=/nowhere.yml')).toContain('--http.config /nowhere.yml')
    expect(await of(`--http.config=${web}`)).toContain(path.join(folder, 'none.pem'))
    if (service !== 'query')
      expect(await refused([...flagsOf(service), '--objstore.config-file=/nowhere.yml'])).toContain(
        '--objstore.config-file=/nowhere.yml',
      )
    if (service === 'compact') return
    const tls = ['--grpc-server-tls-cert=/nowhere.pem', '--grpc-server-tls-key=/nowhere.key']
    expect(await refused([...flagsOf(service), ...bucketOf(service), ...tls])).toContain('/nowhere.pem')
  })

  test('a port that is taken, by another or by itself', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const taken = portOf(other)
    try {
      expect(await refused([...flagsOf(service, { http: taken }), ...bucketOf(service)])).toContain(
        `http-address 127.0.0.1:${taken}`,
      )
      if (service === 'compact') return
      expect(await refused([...flagsOf(service, { grpc: taken }), ...bucketOf(service)])).toContain(
        `grpc-address 127.0.0.1:${taken}`,
      )
      const port = await freePort()
      expect(await refused([...flagsOf(service, { http: port, grpc: port }), ...bucketOf(service)])).toContain(
        `grpc-address 127.0.0.1:${port}`,
      )
    } finally {
      await new Promise((resolve) => other.close(resolve))
    }
  })
})

test.runIf(process.platform === 'linux').each(['store', 'compact'] as const)(
  '%s: a data folder below /proc',
  async (service) => {
    const flags = flagsOf(service).map((flag) => (flag.startsWith('--data-dir') ? '--data-dir=/proc/none/such' : flag))
    expect(await refused([...flags, ...bucketOf(service)])).toContain('--data-dir=/proc/none/such')
  },
)

const reason = whyNoCeph()
if (reason !== undefined) console.log(reason)

describe.skipIf(reason !== undefined)('a bucket that refuses its keys, or is not there', () => {
  let ceph: Ceph
  beforeAll(async () => {
    ceph = await startCeph()
    await ceph.createBucket('blocks')
  })
  afterAll(() => ceph?.stop())

  test.each(['store', 'sidecar', 'compact'] as const)('%s', async (service) => {
    const wrong = ceph.config('blocks').replace(/secret_key: .*/, 'secret_key: wrong')
    expect(await refused([...flagsOf(service), `--objstore.config=${wrong}`])).toMatch(/s3:\/\/blocks\/.*status 403/)
  })

  test('the bucket tools, and a bucket that is not there', async () => {
    const none = ceph.config('none')
    expect(await refused(['tools', 'bucket', 'ls', `--objstore.config=${none}`])).toMatch(/s3:\/\/none\/.*NoSuchBucket/)
    expect(await refused([...flagsOf('store'), `--objstore.config=${none}`])).toMatch(/s3:\/\/none\/.*NoSuchBucket/)
  })
})

test('a querier over no stores: an empty answer that says so, an error without partial response', async () => {
  const [http] = (await freePorts(1)) as [number]
  const querier = await startMnemo(flagsOf('query', { http }))
  try {
    const url = `http://127.0.0.1:${http}`
    await querier.waitForHttp(`${url}/-/ready`)
    const ask = async (at: string) => (await (await fetch(`${url}/api/v1/${at}`)).json()) as object
    const warnings = [expect.stringContaining('no store is configured')]
    expect(await ask('query?query=up')).toMatchObject({ status: 'success', data: { result: [] }, warnings })
    expect(await ask('labels')).toMatchObject({ status: 'success', data: [], warnings })
    expect(await ask('query?query=up&partial_response=false')).toMatchObject({ status: 'error' })
    // What needs no data is answered without a word.
    expect(await ask('query?query=1%2B1')).not.toHaveProperty('warnings')
  } finally {
    await querier.stop()
  }
})
