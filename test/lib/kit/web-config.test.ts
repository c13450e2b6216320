// --http.config: TLS on the HTTP port, certificates of clients, headers, renewal; and what is refused, by its key.
// Certificates are in test/golden/tls, of one authority.

import { readFileSync } from 'node:fs'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { get, type RequestOptions } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { hashSync } from 'bcryptjs'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startHttp } from '../../../lib/kit/http.ts'
import type { HttpServer } from '../../../lib/kit/http-listening.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { createRegistry } from '../../../lib/kit/metrics.ts'
import { Probe } from '../../../lib/kit/probe.ts'
import { readWebConfig } from '../../../lib/kit/web-config.ts'
import { goldenPath } from '../../support/golden.ts'

const golden = (name: string) => goldenPath('tls', name)
const own = { cert: readFileSync(golden('client.pem')), key: readFileSync(golden('client.key')) }
const stops: (() => Promise<unknown>)[] = []
let folder: string
let file: string

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'web-config-'))
  file = path.join(folder, 'web.yml')
  await copyFile(golden('server.pem'), path.join(folder, 'cert.pem'))
  await copyFile(golden('server.key'), path.join(folder, 'key.pem'))
})
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all(stops.splice(0).map((stop) => stop()))
  await rm(folder, { recursive: true })
})

/** Files are named relative to the configuration. */
const pair = 'cert_file: cert.pem, key_file: key.pem'

async function serve(yaml: string): Promise<HttpServer> {
  await writeFile(file, yaml)
  const abort = new AbortController()
  const server = await startHttp({
    address: '127.0.0.1:0',
    registry: createRegistry(),
    probe: new Probe(),
    logger: createLogger({ level: 'silent' }),
    signal: abort.signal,
    graceMs: 0,
    httpConfigFile: file,
  })
  stops.push(() => server.close())
  return server
}

interface Got {
  readonly status: number
  readonly serial: string
  readonly headers: Readonly<Record<string, unknown>>
}

/** What /-/healthy answers; undefined where the connection is refused. */
function ask({ port }: HttpServer, options: RequestOptions = {}): Promise<Got | undefined> {
  const ca = readFileSync(golden('ca.pem'))
  return new Promise((resolve) => {
    const request = get(
      { host: '127.0.0.1', port, path: '/-/healthy', servername: 'server.test', ca, agent: false, ...options },
      (response) => {
        response.resume()
        const { serialNumber: serial } = (response.socket as import('node:tls').TLSSocket).getPeerCertificate()
        response.once('end', () => resolve({ status: response.statusCode!, serial, headers: response.headers }))
      },
    )
    request.once('error', () => resolve(undefined))
  })
}

test('TLS, with headers', async () => {
  const server = await serve(`{tls_server_config: {${pair}}, http_server_config: {headers: {X-Frame-Options: deny}}}`)
  expect(await ask(server)).toMatchObject({ status: 200, headers: { 'x-frame-options': 'deny' } })
  expect(await ask(server, { servername: 'other.test' })).toBeUndefined()
  expect(await ask(server, { maxVersion: 'TLSv1.1' })).toBeUndefined()
  await expect(fetch(`http://${server.address}/-/healthy`)).rejects.toThrow()
})

test('headers without TLS', async () => {
  const server = await serve('{http_server_config: {headers: {X-Frame-Options: deny}}}')
  const { status, headers } = await fetch(`http://${server.address}/-/healthy`)
  expect([status, headers.get('x-frame-options')]).toEqual([200, 'deny'])
})

test('users with their passwords, and no one else', async () => {
  const server = await serve(`{basic_auth_users: {anna: '${hashSync('secret', 4)}', 'b c': '${hashSync('', 4)}'}}`)
  const ask = async (authorization?: string) => {
    const response = await fetch(`http://${server.address}/metrics`, {
      headers: authorization ? { authorization } : {},
    })
    return [response.status, response.headers.get('www-authenticate')]
  }
  const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
  const [welcome, refused] = [
    [200, null],
    [401, 'Basic'],
  ]
  for (let time = 0; time < 2; time++) {
    expect(await ask(basic('anna:secret'))).toEqual(welcome)
    expect(await ask(basic('b c:'))).toEqual(welcome)
    for (const wrong of ['anna:wrong', 'anna:', 'anna', 'nobody:secret', ':', '', `anna:${'x'.repeat(73)}`])
      expect(await ask(basic(wrong))).toEqual(refused)
    for (const wrong of [undefined, 'Bearer secret', 'Basic !!']) expect(await ask(wrong)).toEqual(refused)
  }
})

describe("certificates of clients: of the authority's, of another's, none", () => {
  const foreign = { cert: readFileSync(golden('self-signed.pem')), key: own.key }

  test.each<[string, string, boolean[]]>([
    ['NoClientCert', '', [true, true, true]],
    ['RequestClientCert', '', [true, true, true]],
    ['RequireAnyClientCert', '', [true, true, false]],
    ['VerifyClientCertIfGiven', 'client_ca_file: ca.pem', [true, false, true]],
    ['RequireAndVerifyClientCert', 'client_ca_file: ca.pem', [true, false, false]],
    ['RequireAndVerifyClientCert', 'client_ca_file: ca.pem, client_allowed_sans: [client.test]', [true, false, false]],
    ['RequireAndVerifyClientCert', 'client_ca_file: ca.pem, client_allowed_sans: [other.test]', [false, false, false]],
  ])('%s %s', async (type, more, answered) => {
    await copyFile(golden('ca.pem'), path.join(folder, 'ca.pem'))
    const server = await serve(`{tls_server_config: {${pair}, client_auth_type: ${type}${more && `, ${more}`}}}`)
    const got = [await ask(server, own), await ask(server, foreign), await ask(server)]
    expect(got.map((one) => one !== undefined)).toEqual(answered)
  })
})

test('a renewed certificate is shown without a restart', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const server = await serve(`{tls_server_config: {${pair}}}`)
  const before = await ask(server)
  await copyFile(golden('server-renewed.pem'), path.join(folder, 'cert.pem'))
  await copyFile(golden('server-renewed.key'), path.join(folder, 'key.pem'))
  vi.advanceTimersByTime(10_000)
  const after = await ask(server)
  expect(after).toMatchObject({ status: 200, serial: '1B5F' })
  expect(before!.serial).not.toBe(after!.serial)
})

test('suites, curves and versions in the names of Go', async () => {
  const server = await serve(
    `{tls_server_config: {${pair}, max_version: TLS12, cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256], curve_preferences: [CurveP256]}}`,
  )
  expect(await ask(server, { ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' })).toMatchObject({ status: 200 })
  expect(await ask(server, { ciphers: 'ECDHE-ECDSA-CHACHA20-POLY1305' })).toBeUndefined()
  expect(await ask(server, { minVersion: 'TLSv1.3' })).toBeUndefined()
})

test.each([
  ['{tls_server_config: {cert_file: cert.pem}}', 'tls_server_config.key_file'],
  [`{tls_server_config: {${pair}, client_auth_type: Perhaps}}`, 'client_auth_type'],
  [`{tls_server_config: {${pair}, client_auth_type: RequireAndVerifyClientCert}}`, 'client_ca_file'],
  [`{tls_server_config: {${pair}, client_ca_file: ca.pem}}`, 'client_ca_file'],
  [`{tls_server_config: {${pair}, min_version: TLS14}}`, 'min_version'],
  [`{tls_server_config: {${pair}, cipher_suites: [TLS_NONE]}}`, 'cipher_suites'],
  [`{tls_server_config: {${pair}, curve_preferences: [Curve]}}`, 'curve_preferences'],
  [`{tls_server_config: {${pair}, other: 1}}`, 'tls_server_config.other'],
  ['{basic_auth_users: {a: b}}', 'basic_auth_users.a'],
  ['{nothing: 1}', 'nothing'],
  ['[', 'cannot read --http.config'],
])('%s is refused: %s', async (yaml, named) => {
  await writeFile(file, yaml)
  const refused = expect.objectContaining({ code: 'config', message: expect.stringContaining(named) })
  expect(() => readWebConfig(file)).toThrow(refused)
  expect(() => readWebConfig(file)).toThrow(file)
})
