// An HTTP client by its YAML: what it sends, over what it sends it, and what is refused by its key.
// Over real servers on loopback: plain, with TLS and certificates of clients, and a proxy.
import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createHttpClient } from '../../../lib/kit/http-client.ts'
import { portOf } from '../../support/free-port.ts'
import { goldenPath } from '../../support/golden.ts'

const golden = (name: string) => goldenPath('tls', name)
const stops: (() => unknown)[] = []
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'http-client-'))
})
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop()
  await rm(folder, { recursive: true })
})

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return portOf(server)
}

const seen: IncomingMessage[] = []
const answer: RequestListener = (request, response) => {
  seen.push(request)
  response.end(`${request.method} ${request.url}`)
}

async function ask(yaml: string, url: string): Promise<string> {
  const client = await createHttpClient(yaml, '--flag')
  try {
    const { body } = await client.fetch(url, { signal: AbortSignal.timeout(5_000) })
    return await text(body!)
  } finally {
    await client.close()
  }
}

const headerOf = () => seen.at(-1)!.headers.authorization

test('basic authentication and tokens, also out of files that change', async () => {
  const url = `http://127.0.0.1:${await listen(createServer(answer))}/x`
  const basic = (password: string) => `Basic ${Buffer.from(`me:${password}`).toString('base64')}`
  await ask('', url)
  expect(headerOf()).toBeUndefined()
  await ask('basic_auth: {username: me, password: "007"}', url)
  expect(headerOf()).toBe(basic('007'))
  await ask('bearer_token: abc', url)
  expect(headerOf()).toBe('Bearer abc')
  const file = path.join(folder, 'secret')
  for (const secret of ['one', 'two']) {
    await writeFile(file, `${secret}\n`)
    await ask(`basic_auth: {username: me, password_file: ${file}}`, url)
    expect(headerOf()).toBe(basic(secret))
    await ask(`bearer_token_file: ${file}`, url)
    expect(headerOf()).toBe(`Bearer ${secret}`)
  }
})

test('TLS: an authority, a name, a certificate of its own', async () => {
  const options = {
    cert: readFileSync(golden('server.pem')),
    key: readFileSync(golden('server.key')),
    ca: readFileSync(golden('ca.pem')),
    requestCert: true,
  }
  const url = `https://127.0.0.1:${await listen(createTlsServer(options, answer))}/x`
  const own = `cert_file: ${golden('client.pem')}, key_file: ${golden('client.key')}`
  const check = `ca_file: ${golden('ca.pem')}, server_name: server.test`
  expect(await ask(`tls_config: {${check}, ${own}}`, url)).toBe('GET /x')
  await expect(ask(`tls_config: {${check}}`, url)).rejects.toThrow()
  await expect(ask(`tls_config: {ca_file: ${golden('ca.pem')}, ${own}, server_name: other}`, url)).rejects.toThrow()
  await expect(ask(`tls_config: {${own}}`, url)).rejects.toThrow()
  expect(await ask(`tls_config: {insecure_skip_verify: true, ${own}}`, url)).toBe('GET /x')
})

test('a proxy: asked for what is plain, tunnelled through for TLS', async () => {
  const proxied: string[] = []
  const proxy = createServer((request, response) => {
    proxied.push(request.url!)
    response.end('from the proxy')
  })
  const options = { cert: readFileSync(golden('server.pem')), key: readFileSync(golden('server.key')) }
  const port = await listen(createTlsServer(options, answer))
  proxy.on('connect', (request, client, head) => {
    proxied.push(request.url!)
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    upstream.on('error', () => client.destroy())
    client.on('error', () => upstream.destroy())
    stops.push(() => client.destroy())
  })
  const yaml = `{proxy_url: "http://127.0.0.1:${await listen(proxy)}", tls_config: {ca_file: ${golden('ca.pem')}}}`
  expect(await ask(yaml, 'http://far.test/y')).toBe('from the proxy')
  expect(await ask(yaml, 'https://server.test/z')).toBe('GET /z')
  expect(proxied).toEqual([expect.stringMatching(/far\.test/), 'server.test:443'])
})

test('a server that does not answer: the bound of its headers', async () => {
  const url = `http://127.0.0.1:${await listen(createServer(() => {}))}/x`
  await expect(ask('transport_config: {response_header_timeout: 50000000}', url)).rejects.toThrow()
})

test.each([
  ['basic_auth: {password: a, password_file: b}', 'basic_auth.password_file'],
  ['{bearer_token: a, bearer_token_file: b}', 'bearer_token_file'],
  ['{bearer_token: a, basic_auth: {username: b}}', 'basic_auth'],
  ['tls_config: {cert_file: a}', 'tls_config.key_file'],
  ['tls_config: {ca_file: /nowhere.pem}', '/nowhere.pem'],
  ['proxy_url: nowhere', 'proxy_url'],
  ['transport_config: {idle_conn_timeout: soon}', 'transport_config.idle_conn_timeout'],
  ['other: 1', 'unknown key other'],
  ['[', 'no YAML'],
])('%s is refused', async (yaml, named) => {
  const refused = expect.objectContaining({ code: 'config', message: expect.stringContaining(named) })
  await expect(createHttpClient(yaml, '--flag')).rejects.toThrow(refused)
})
