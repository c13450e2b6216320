// A sidecar whose Prometheus wants more: TLS, a certificate of its clients, a password, a path prefix; and one that never comes.
// Real Prometheus where one is on the PATH. Owns its processes.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bucketFlag, startMnemo } from '../../support/cluster.ts'
import { freePorts } from '../../support/free-port.ts'
import { goldenPath } from '../../support/golden.ts'
import { TestProcess } from '../../support/process.ts'
import { whyNoPrometheus } from '../../support/prometheus.ts'

const reason = whyNoPrometheus('a sidecar whose Prometheus wants certificates')
if (reason !== undefined) console.log(reason)

const golden = (name: string) => goldenPath('tls', name)
/** "secret" by bcrypt. */
const user = '{me: "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"}'
const stops: (() => Promise<unknown>)[] = []
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sidecar-http-'))
})
afterEach(async () => {
  await Promise.all(stops.splice(0).map((stop) => stop()))
  await rm(folder, { recursive: true })
})

async function startPrometheus(port: number): Promise<void> {
  const data = path.join(folder, 'data')
  await mkdir(data)
  await writeFile(path.join(folder, 'prometheus.yml'), 'global: {external_labels: {replica: a}}\n')
  const web = {
    tls_server_config: {
      cert_file: golden('server.pem'),
      key_file: golden('server.key'),
      client_auth_type: 'RequireAndVerifyClientCert',
      client_ca_file: golden('ca.pem'),
    },
  }
  await writeFile(path.join(folder, 'web.yml'), `${JSON.stringify(web).slice(0, -1)}, "basic_auth_users": ${user}}`)
  const process = await TestProcess.start({
    command: 'prometheus',
    args: [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${data}`,
      `--web.config.file=${folder}/web.yml`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--web.route-prefix=/some/prefix',
    ],
  })
  stops.push(() => process.stop())
  await process.waitForOutput(/Server is ready/)
}

async function startSidecar(url: string, flags: readonly string[]): Promise<{ process: TestProcess; url: string }> {
  const [http] = await freePorts(1)
  const process = await startMnemo([
    'sidecar',
    `--prometheus.url=${url}`,
    `--tsdb.path=${folder}/data`,
    '--grpc-address=127.0.0.1:0',
    `--http-address=127.0.0.1:${http}`,
    '--prometheus.get_config_interval=1s',
    ...flags,
  ])
  stops.push(() => process.stop())
  return { process, url: `http://127.0.0.1:${http}/-/ready` }
}

describe.skipIf(reason !== undefined)('a Prometheus behind TLS, a password and a prefix', () => {
  test('is reached by --prometheus.http-client; without it the sidecar says why it is not ready', async () => {
    const [port] = (await freePorts(1)) as [number]
    await startPrometheus(port)
    const at = `https://127.0.0.1:${port}/some/prefix`
    const tls = {
      ca_file: golden('ca.pem'),
      cert_file: golden('client.pem'),
      key_file: golden('client.key'),
      server_name: 'server.test',
    }
    const file = path.join(folder, 'client.yml')
    await writeFile(file, JSON.stringify({ basic_auth: { username: 'me', password: 'secret' }, tls_config: tls }))
    const sidecar = await startSidecar(at, [`--prometheus.http-client-file=${file}`])
    await sidecar.process.waitForHttp(sidecar.url)
    const wrong = await startSidecar(at, [`--prometheus.http-client=${JSON.stringify({ tls_config: tls })}`])
    await wrong.process.waitForOutput(/got HTTP 401/)
    expect((await fetch(wrong.url)).status).toBe(503)
  })
})

test('a Prometheus that never comes: with a bucket the wait ends, in a line', async () => {
  const [port] = (await freePorts(1)) as [number]
  await mkdir(path.join(folder, 'data'))
  const { process } = await startSidecar(`http://127.0.0.1:${port}`, [
    '--prometheus.ready_timeout=100ms',
    bucketFlag(path.join(folder, 'bucket')),
    '--log.level=error',
  ])
  expect(await process.waitForExit()).toBe(1)
  expect(process.output.trim().split('\n')).toEqual([
    expect.stringMatching(/^mnemo sidecar: cannot ship blocks: Prometheus was not ready for 100ms: cannot ask http/),
  ])
})

test('a Prometheus that never comes: without a bucket the wait goes on', async () => {
  const [port] = (await freePorts(1)) as [number]
  const { process } = await startSidecar(`http://127.0.0.1:${port}`, ['--prometheus.ready_timeout=100ms'])
  await process.waitForOutput(/Prometheus cannot be used, it is tried again/)
  // It has been tried again by then, twice.
  await sleep(2_500)
  expect(process.outcome).toBeUndefined()
})

test.each([
  ['--prometheus.url=http://me:secret@localhost:9090', '--prometheus.url'],
  ['--prometheus.http-client={nothing: 1}', '--prometheus.http-client: got unknown key nothing'],
  ['--prometheus.http-client-file=/nowhere.yml', '--prometheus.http-client-file /nowhere.yml'],
])('%s is one line and status 2', async (flag, named) => {
  const process = await startMnemo(['sidecar', flag, '--http-address=127.0.0.1:0', '--grpc-address=127.0.0.1:0'])
  stops.push(() => process.stop())
  expect(await process.waitForExit()).toBe(2)
  const lines = process.output
    .trim()
    .split('\n')
    .filter((line) => line.startsWith('mnemo'))
  expect(lines).toEqual([expect.stringContaining(named)])
})
