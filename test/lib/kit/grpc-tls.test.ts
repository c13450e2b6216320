// TLS over gRPC: certificates of both ends, and files that change while both run.
// Certificates are in test/golden/tls, of one authority: server.test, once and renewed, and a client's.
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { connect } from 'node:tls'
import { Client } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { channelOptions, startGrpc } from '../../../lib/kit/grpc.ts'
import { healthDefinition } from '../../../lib/kit/grpc-health.ts'
import { type ClientTls, clientCredentials, type ServerTls } from '../../../lib/kit/grpc-tls.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { Registry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { TlsFiles } from '../../../lib/kit/tls-files.ts'
import { tlsNames } from '../../../lib/kit/tls-names.ts'
import { goldenPath } from '../../support/golden.ts'

const golden = (name: string) => goldenPath('tls', name)
const authority = golden('ca.pem')
const stops: (() => unknown)[] = []
let folder: string
let certFile: string
let keyFile: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'grpc-tls-'))
  certFile = path.join(folder, 'cert.pem')
  keyFile = path.join(folder, 'key.pem')
  await install('server')
})
afterEach(async () => {
  vi.useRealTimers()
  for (const stop of stops.splice(0).reverse()) await stop()
  await rm(folder, { recursive: true })
})

async function install(name: 'server' | 'server-renewed' | 'client'): Promise<void> {
  await copyFile(golden(`${name}.pem`), certFile)
  await copyFile(golden(`${name}.key`), keyFile)
}

async function serve(tls: ServerTls) {
  const abort = new AbortController()
  const logger = createLogger({ level: 'silent' })
  const server = await startGrpc(
    {
      address: '127.0.0.1:0',
      registry: new Registry(),
      probe: new Probe(),
      logger,
      signal: abort.signal,
      graceMs: 0,
      tls,
    },
    [],
  )
  stops.push(() => server.close())
  return server
}

/** Whether a call is answered. */
function call(address: string, tls: ClientTls): Promise<boolean> {
  const client = new Client(address, clientCredentials(tls), channelOptions({ tls }))
  stops.push(() => client.close())
  const { path: method, requestSerialize, responseDeserialize } = healthDefinition.Check
  return new Promise((resolve) => {
    const deadline = Date.now() + 5_000
    client.makeUnaryRequest(
      method,
      requestSerialize,
      responseDeserialize,
      { service: '' },
      // biome-ignore lint/suspicious/noExplicitAny: overloads
      { deadline } as any,
      (error: unknown) => resolve(error === null),
    )
  })
}

/** The serial number of the certificate that a server shows now. */
function serialOf(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['h2'] }, () => {
      resolve(socket.getPeerCertificate().serialNumber)
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

const serverName = 'server.test'

test.each<[string, ClientTls, boolean]>([
  ['the authority and the name', { caFile: authority, serverName }, true],
  ['another name', { caFile: authority, serverName: 'other.test' }, false],
  ['no authority', { serverName }, false],
  ['no check', { skipVerify: true }, true],
])('a server with a certificate: %s', async (_what, tls, isAnswered) => {
  const { address } = await serve({ certFile, keyFile })
  expect(await call(address, tls)).toBe(isAnswered)
})

test('a server that wants a certificate of its clients', async () => {
  const { address } = await serve({ certFile, keyFile, clientCaFile: authority })
  const own = { certFile: golden('client.pem'), keyFile: golden('client.key') }
  expect(await call(address, { caFile: authority, serverName })).toBe(false)
  expect(await call(address, { caFile: authority, serverName, ...own })).toBe(true)
})

test('a renewed certificate is shown without a restart; a pair that does not fit leaves the one before', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const { port, address } = await serve({ certFile, keyFile })
  const first = await serialOf(port)
  await copyFile(golden('server-renewed.pem'), certFile)
  vi.advanceTimersByTime(10_000)
  expect(await serialOf(port)).toBe(first)
  await copyFile(golden('server-renewed.key'), keyFile)
  vi.advanceTimersByTime(10_000)
  expect(await serialOf(port)).toBe('1B5F')
  expect(await call(address, { caFile: authority, serverName })).toBe(true)
})

test("a client's files are read again, too", async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const caFile = path.join(folder, 'ca.pem')
  await copyFile(golden('server.pem'), caFile)
  const { address } = await serve({ certFile, keyFile })
  const tls = { caFile, serverName }
  expect(await call(address, tls)).toBe(false)
  await copyFile(authority, caFile)
  vi.advanceTimersByTime(10_000)
  vi.useRealTimers()
  // The connection that has failed is tried again after a second.
  await expect.poll(() => call(address, tls), { timeout: 10_000, interval: 200 }).toBe(true)
})

test('versions, suites and curves: those of the flags, in the names of Go; others are refused', async () => {
  const curve = tlsNames([], ['CurveP384']).ecdhCurve!
  const { port } = await serve({ certFile, keyFile, options: { minVersion: 'TLSv1.3', ecdhCurve: curve } })
  const shake = (options: object) =>
    new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () => {
        resolve(true)
        socket.destroy()
      })
      socket.once('error', () => resolve(false))
    })
  expect(await shake({})).toBe(true)
  expect(await shake({ maxVersion: 'TLSv1.2' })).toBe(false)
  expect(await shake({ ecdhCurve: 'P-256' })).toBe(false)
  expect(tlsNames(['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'TLS_RSA_WITH_AES_128_CBC_SHA'], []).ciphers).toBe(
    'ECDHE-RSA-CHACHA20-POLY1305:AES128-SHA',
  )
  await expect(serve({ certFile, keyFile, options: { ciphers: 'NONE' } })).rejects.toMatchObject({ code: 'config' })
  expect(() => tlsNames([], ['P1'])).toThrow('want one of CurveP256')
})

test('a file that is not there, or is no certificate, is a configuration error that names it', async () => {
  expect(() => new TlsFiles({ caFile: '/nowhere.pem' })).toThrow('cannot read TLS file /nowhere.pem')
  await writeFile(certFile, 'no certificate')
  await expect(serve({ certFile, keyFile })).rejects.toMatchObject({
    code: 'config',
    message: `cannot use TLS files ${certFile}, ${keyFile}`,
  })
})
