// A real S3 server for tests: one throw-away Ceph RADOS Gateway on loopback, objects in memory, up in about a second.
// Debian: apt-get install --no-install-recommends ceph-mon ceph-osd radosgw ceph-common
// Owns its three daemons and its folder; the daemons die with this process even where that is killed.
import { randomUUID } from 'node:crypto'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3'
import { freePorts } from './free-port.ts'
import { hasCommand, isRunning, run, TestProcess } from './process.ts'

const commands = ['monmaptool', 'ceph', 'ceph-mon', 'ceph-osd', 'radosgw', 'radosgw-admin', 'setpriv']
const accessKey = 'testaccesskey'
const secretKey = 'testsecretkey'

/** Why there can be no S3 server here, in one line; undefined: there can. */
export function whyNoCeph(): string | undefined {
  const missing = commands.filter((command) => !hasCommand(command))
  if (missing.length === 0) return undefined
  return `left out: tests against S3 need Ceph's RADOS Gateway (missing: ${missing.join(', ')})`
}

export interface CephOptions {
  /** Further lines of ceph.conf's section [client.rgw]. */
  readonly rgwConfig?: readonly string[]
  /** The user may do anything: ask for temporary keys, too. */
  readonly isAdmin?: boolean
  /** Files of the gateway's certificate and its key: it then speaks HTTPS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string }
}

export interface Ceph {
  /** host:port, for `endpoint`. */
  readonly endpoint: string
  readonly port: number
  readonly pids: readonly number[]
  readonly accessKey: string
  readonly secretKey: string
  /** An SDK client of the server, for what a test asks behind our own bucket's back. The caller destroys it. */
  client(): S3Client
  /** Makes an S3 bucket. */
  createBucket(name: string): Promise<void>
  /** The object storage configuration (YAML) of a bucket; `endpoint` where a proxy stands in front of the server. */
  config(bucket: string, options?: { readonly endpoint?: string; readonly lines?: readonly string[] }): string
  stop(): Promise<void>
}

const folderPrefix = 'mnemo-ceph-'

/** Starts the server. A port that was taken meanwhile: a second try. */
export async function startCeph(options: CephOptions = {}): Promise<Ceph> {
  removeAbandonedFolders()
  try {
    return await startOnce(options)
  } catch (error) {
    console.warn(`Ceph did not start, once more: ${error}`)
    return startOnce(options)
  }
}

async function startOnce(options: CephOptions): Promise<Ceph> {
  const [s3Port, monPort] = (await freePorts(2)) as [number, number]
  const folder = path.join(tmpdir(), `${folderPrefix}${process.pid}-${randomUUID().slice(0, 8)}`)
  const daemons: TestProcess[] = []
  const stop = async () => {
    await Promise.all(daemons.map((daemon) => daemon.kill()))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await startDaemons({ folder, s3Port, monPort, daemons, options })
  } catch (error) {
    await stop()
    throw error
  }
  return gateway({ port: s3Port, isTls: options.tls !== undefined, daemons, stop })
}

interface Setup {
  readonly folder: string
  readonly s3Port: number
  readonly monPort: number
  readonly daemons: TestProcess[]
  readonly options: CephOptions
}

async function startDaemons(setup: Setup): Promise<void> {
  const { folder, s3Port, monPort, daemons } = setup
  const fsid = randomUUID()
  const osd = randomUUID()
  for (const name of ['mon', 'osd', 'rgw', 'run']) mkdirSync(path.join(folder, name), { recursive: true })
  const file = path.join(folder, 'ceph.conf')
  writeFileSync(file, cephConf(setup, fsid))
  const conf = ['-c', file]
  const daemon = async (command: string, ...args: string[]) => {
    const started = await TestProcess.start({ command, args: [...conf, '-f', ...args] })
    daemons.push(started)
    return started
  }
  const monmap = path.join(folder, 'monmap')
  const osdReady = run('ceph-osd', [...conf, '-i', '0', '--mkfs', '--osd-uuid', osd, '--no-mon-config'])
  await run('monmaptool', ['--create', '--fsid', fsid, '--addv', 'a', `[v2:127.0.0.1:${monPort}]`, monmap])
  await run('ceph-mon', [...conf, '-i', 'a', '--mkfs', '--monmap', monmap])
  const mon = await daemon('ceph-mon', '-i', 'a')
  await mon.waitForPort(monPort)
  await Promise.all([osdReady, run('ceph', [...conf, 'osd', 'new', osd, '0'])])
  await daemon('ceph-osd', '-i', '0')
  const user = ['--uid=test', '--display-name=test', `--access-key=${accessKey}`, `--secret=${secretKey}`]
  if (setup.options.isAdmin) user.push('--admin')
  await run('radosgw-admin', [...conf, '-n', 'client.rgw', 'user', 'create', ...user], 60_000)
  const rgw = await daemon('radosgw', '-n', 'client.rgw')
  await rgw.waitForPort(s3Port)
}

interface Running {
  readonly port: number
  readonly isTls: boolean
  readonly daemons: readonly TestProcess[]
  readonly stop: () => Promise<void>
}

function gateway({ port, isTls, daemons, stop }: Running): Ceph {
  const endpoint = `127.0.0.1:${port}`
  const client = () =>
    new S3Client({
      endpoint: `http${isTls ? 's' : ''}://${endpoint}`,
      // The certificate is the tested bucket's to check, not that of the client beside it.
      ...(isTls && { requestHandler: { httpsAgent: { rejectUnauthorized: false } } }),
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: accessKey, secretAccessKey: secretKey },
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
    })
  return {
    endpoint,
    port,
    accessKey,
    secretKey,
    pids: daemons.map((daemon) => daemon.pid),
    client,
    async createBucket(name) {
      const s3 = client()
      await s3.send(new CreateBucketCommand({ Bucket: name }))
      s3.destroy()
    },
    config(bucket, { endpoint: at = endpoint, lines = [] } = {}) {
      const keys = [
        `bucket: ${bucket}`,
        `endpoint: ${at}`,
        `insecure: ${!isTls}`,
        `access_key: ${accessKey}`,
        `secret_key: ${secretKey}`,
      ]
      return `type: S3\nconfig:\n${[...keys, ...lines].map((line) => `  ${line}\n`).join('')}`
    },
    stop,
  }
}

// What a killed run left behind: the daemons died with it, the folder is named after it.
function removeAbandonedFolders(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = new RegExp(`^${folderPrefix}(\\d+)-`).exec(name)?.[1]
    if (pid !== undefined && !isRunning(Number(pid)))
      rmSync(path.join(tmpdir(), name), { recursive: true, force: true })
  }
}

function frontend(s3Port: number, tls: CephOptions['tls']): string {
  const endpoint = `endpoint=127.0.0.1:${s3Port} tcp_nodelay=1`
  return tls
    ? `beast ssl_${endpoint} ssl_certificate=${tls.certFile} ssl_private_key=${tls.keyFile}`
    : `beast ${endpoint}`
}

function cephConf({ folder, s3Port, monPort, options }: Setup, fsid: string): string {
  return `[global]
fsid = ${fsid}
mon initial members = a
mon host = [v2:127.0.0.1:${monPort}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind ipv6 = false
ms bind msgr1 = false
ms mon client mode = crc
auth cluster required = none
auth service required = none
auth client required = none
run dir = ${folder}/run
admin socket = ${folder}/run/$name.asok
crash dir = ${folder}/run
log file = ${folder}/run/$name.log
mon cluster log file = ${folder}/run/cluster.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon]
mon data = ${folder}/mon
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 0
paxos propose interval = 0.02
paxos min wait = 0.01
[osd]
osd data = ${folder}/osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd class update on start = false
[client.rgw]
rgw data = ${folder}/rgw
rgw gc obj min wait = 2
rgw gc processor period = 5
rgw gc processor max time = 5
rgw frontends = ${frontend(s3Port, options.tls)}
${(options.rgwConfig ?? []).join('\n')}
`
}
