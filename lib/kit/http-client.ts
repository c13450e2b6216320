// An HTTP client as a YAML text configures it: basic authentication, bearer token, TLS, proxy, bounds of connections.
// Format: Thanos pkg/clientconfig (http.go), for its keys that mean something here; an unknown one is an error.
// Owns the connections; passwords and tokens in files are read at each request, certificates again when their files change.
import { readFile } from 'node:fs/promises'
import type { Agent, ProxyAgent } from 'undici'
import { parse } from 'yaml'
import { ConfigSection } from './config-section.ts'
import { describeError, MnemoError } from './errors.ts'
import { TlsFiles, type TlsMaterial } from './tls-files.ts'
import { version } from './version.ts'

export interface HttpRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array<ArrayBuffer>
  readonly signal: AbortSignal
}

export interface HttpResponse {
  readonly ok: boolean
  readonly status: number
  readonly headers: { get(name: string): string | null }
  readonly body: AsyncIterable<Uint8Array> | null
}

/** As the global fetch(), of which it is a part. */
export type HttpFetch = (url: string, request: HttpRequest) => Promise<HttpResponse>

export interface HttpClient {
  readonly fetch: HttpFetch
  close(): Promise<void>
}

interface Settings {
  readonly authorization: () => Promise<string | undefined>
  readonly proxyUrl: string
  readonly tls: {
    readonly files: TlsFiles
    readonly serverName: string
    readonly skipVerify: boolean
  }
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  readonly headersTimeoutMs: number
  /** 0: no limit. */
  readonly maxConnections: number
}

/** A client of the global fetch(): what is used where nothing is configured. */
export const plainHttpClient: HttpClient = { fetch: (url, request) => fetch(url, request), close: async () => {} }

/** `flag` names the text in errors. Throws `config` where it is wrong or names a file that cannot be used. */
export async function createHttpClient(yaml: string, flag: string): Promise<HttpClient> {
  let content: unknown
  try {
    content = parse(yaml, { schema: 'failsafe' })
  } catch (cause) {
    throw new MnemoError('config', `cannot use ${flag}: got text that is no YAML`, { cause })
  }
  const settings = readSettings(new ConfigSection(content, '', flag))
  // Loaded only where it is configured: the global fetch() takes no certificates and no proxy.
  const undici = await import('undici')
  const open = (material: TlsMaterial) => connectTo(undici, settings, material)
  let dispatcher = open(settings.tls.files.current)
  const unwatch = settings.tls.files.watch((material) => {
    const before = dispatcher
    dispatcher = open(material)
    // Ends when what runs over it has ended.
    void before.close()
  })
  return {
    async fetch(url, { method, headers, body, signal }) {
      const authorization = await settings.authorization()
      const all = {
        'User-Agent': `Mnemo/${version}`,
        ...headers,
        ...(authorization && { Authorization: authorization }),
      }
      const init = { headers: all, signal, dispatcher, ...(method && { method }), ...(body && { body }) }
      return undici.fetch(url, init)
    },
    async close() {
      unwatch()
      await dispatcher.destroy()
    },
  }
}

function readSettings(root: ConfigSection): Settings {
  const basic = root.section('basic_auth')
  const [username, password, passwordFile] = ['username', 'password', 'password_file'].map((key) => basic.string(key)) as [string, string, string] // biome-ignore format: one line
  basic.end()
  const token = root.string('bearer_token')
  const tokenFile = root.string('bearer_token_file')
  if (password !== '' && passwordFile !== '') throw basic.wrong('password_file', passwordFile, 'one of it and password')
  if (token !== '' && tokenFile !== '') throw root.wrong('bearer_token_file', tokenFile, 'one of it and bearer_token')
  const isBasic = username !== '' || password !== '' || passwordFile !== ''
  if (isBasic && token + tokenFile !== '') throw root.wrong('basic_auth', 'it', 'one of it and a bearer token')
  const proxyUrl = root.string('proxy_url')
  if (proxyUrl !== '' && !URL.canParse(proxyUrl)) throw root.wrong('proxy_url', proxyUrl, 'a URL')
  const settings: Settings = {
    authorization: authorizationOf({ username, password, passwordFile, token, tokenFile }),
    proxyUrl,
    tls: readTls(root.section('tls_config')),
    ...readTransport(root.section('transport_config')),
  }
  root.end()
  return settings
}

function readTls(section: ConfigSection): Settings['tls'] {
  const [caFile, certFile, keyFile] = ['ca_file', 'cert_file', 'key_file'].map((key) => section.string(key))
  const serverName = section.string('server_name')
  const skipVerify = section.boolean('insecure_skip_verify', false)
  section.end()
  if ((certFile === '') !== (keyFile === '')) throw section.wrong('key_file', keyFile ?? '', 'both of it and cert_file')
  const files = new TlsFiles({ ...(caFile && { caFile }), ...(certFile && { certFile }), ...(keyFile && { keyFile }) })
  return { files, serverName, skipVerify }
}

/** Times are nanoseconds, as Go counts them, or durations such as 90s. */
function readTransport(section: ConfigSection) {
  const timeMs = (key: string, fallback: string): number => {
    const text = section.string(key, fallback)
    if (/^\d+$/.test(text)) return Number(text) / 1e6
    const again = new ConfigSection({ [key]: text }, 'transport_config')
    return again.durationMs(key, fallback)
  }
  // How many idle connections are kept is the dispatcher's own matter: these say nothing here, and are known.
  for (const key of ['max_idle_conns', 'max_idle_conns_per_host']) section.count(key, 0)
  timeMs('expect_continue_timeout', '10s')
  section.boolean('disable_compression', false)
  const transport = {
    connectTimeoutMs: timeMs('dialer_timeout', '5s') + timeMs('tls_handshake_timeout', '10s'),
    idleTimeoutMs: timeMs('idle_conn_timeout', '90s'),
    headersTimeoutMs: timeMs('response_header_timeout', '0s'),
    maxConnections: section.count('max_conns_per_host', 0),
  }
  section.end()
  return transport
}

interface Credentials {
  readonly username: string
  readonly password: string
  readonly passwordFile: string
  readonly token: string
  readonly tokenFile: string
}

/** The Authorization header of the next request. Throws `config` where a file cannot be read. */
function authorizationOf(given: Credentials): () => Promise<string | undefined> {
  const { username, passwordFile, tokenFile, token } = given
  if (token !== '' || tokenFile !== '')
    return async () => `Bearer ${tokenFile === '' ? token : await readSecret(tokenFile)}`
  if (username === '' && given.password === '' && passwordFile === '') return async () => undefined
  return async () => {
    const password = passwordFile === '' ? given.password : await readSecret(passwordFile)
    return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  }
}

async function readSecret(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    throw new MnemoError('unavailable', `cannot read ${file}: ${describeError(cause)}`, { cause })
  }
}

function connectTo(undici: typeof import('undici'), settings: Settings, material: TlsMaterial): Agent | ProxyAgent {
  const { serverName, skipVerify } = settings.tls
  const tls = { ...material, ...(serverName && { servername: serverName }), rejectUnauthorized: !skipVerify }
  const options = {
    connect: { timeout: settings.connectTimeoutMs, ...tls },
    keepAliveTimeout: Math.max(1, settings.idleTimeoutMs),
    headersTimeout: settings.headersTimeoutMs,
    // How long an answer may take is said by each request's signal.
    bodyTimeout: 0,
    ...(settings.maxConnections > 0 && { connections: settings.maxConnections }),
  }
  if (settings.proxyUrl === '') return new undici.Agent(options)
  return new undici.ProxyAgent({ ...options, uri: settings.proxyUrl, requestTls: tls })
}
