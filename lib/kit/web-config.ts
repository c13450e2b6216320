// The file of --http.config: TLS, client certificates, users and headers for a service's HTTP port.
// Format: Prometheus's exporter-toolkit (docs/web-configuration.md). Every key is honoured or refused, none is ignored.
// Owns the reading and the TLS server; certificates are read again when their files change (tls-files.ts).
import { readFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import path from 'node:path'
import { createSecureContext, type SecureContextOptions, type SecureVersion, type TLSSocket } from 'node:tls'
import { parse } from 'yaml'
import { isBcryptHash } from './basic-auth.ts'
import { ConfigSection } from './config-section.ts'
import { MnemoError } from './errors.ts'
import type { Logger } from './log.ts'
import { TlsFiles, type TlsPaths } from './tls-files.ts'
import { tlsNames } from './tls-names.ts'

const clientAuths = [
  'NoClientCert',
  'RequestClientCert',
  'RequireAnyClientCert',
  'VerifyClientCertIfGiven',
  'RequireAndVerifyClientCert',
] as const
type ClientAuth = (typeof clientAuths)[number]

const versions = { TLS10: 'TLSv1', TLS11: 'TLSv1.1', TLS12: 'TLSv1.2', TLS13: 'TLSv1.3' } as const

export interface WebTls {
  readonly paths: TlsPaths
  readonly clientAuth: ClientAuth
  /** Names of which a client's certificate must have one; none: any. */
  readonly clientNames: readonly string[]
  readonly options: Pick<SecureContextOptions, 'minVersion' | 'maxVersion' | 'ciphers' | 'ecdhCurve'>
}

export interface WebConfig {
  /** Absent: plain text. */
  readonly tls?: WebTls
  /** Headers of every answer. */
  readonly headers: ReadonlyMap<string, string>
  /** Hashes of passwords by user; none: everyone may ask. */
  readonly users: ReadonlyMap<string, string>
}

/** The file's content; paths in it are relative to its folder. Throws `config` naming the file and the key. */
export function readWebConfig(file: string): WebConfig {
  let content: unknown
  try {
    content = parse(readFileSync(file, 'utf8'), { schema: 'failsafe' })
  } catch (cause) {
    throw new MnemoError('config', `cannot read --http.config ${file}`, { cause })
  }
  const root = new ConfigSection(content, '', `--http.config ${file}`)
  const users = root.map('basic_auth_users')
  for (const [user, hash] of users)
    if (!isBcryptHash(hash)) throw root.wrong(`basic_auth_users.${user}`, 'a text', "the password's bcrypt hash")
  if (root.has('rate_limit')) throw root.unsupported('rate_limit', 'a rate limit', 'a proxy in front can do it')
  const web = root.section('http_server_config')
  // HTTP/2 is for browsers that ask for many things at once: what is served here goes over HTTP/1.1 either way.
  web.boolean('http2', true)
  const headers = web.map('headers')
  web.end()
  const tls = root.has('tls_server_config') ? readTls(root.section('tls_server_config'), path.dirname(file)) : undefined
  root.end()
  return { headers, users, ...(tls && { tls }) }
}

function readTls(section: ConfigSection, folder: string): WebTls {
  const file = (key: string): string | undefined => {
    const name = section.string(key)
    return name === '' ? undefined : path.resolve(folder, name)
  }
  const [certFile, keyFile, caFile] = [file('cert_file'), file('key_file'), file('client_ca_file')]
  if (certFile === undefined) throw section.wrong('cert_file', '', 'the file of a certificate')
  if (keyFile === undefined) throw section.wrong('key_file', '', "the file of the certificate's key")
  const clientAuth = section.oneOf('client_auth_type', ['', ...clientAuths], '') || 'NoClientCert'
  const verifies = clientAuth === 'VerifyClientCertIfGiven' || clientAuth === 'RequireAndVerifyClientCert'
  if (caFile !== undefined && clientAuth === 'NoClientCert')
    throw section.wrong('client_ca_file', caFile, 'a client_auth_type that asks for certificates')
  if (verifies && caFile === undefined) throw section.wrong('client_ca_file', '', `a file, as ${clientAuth} verifies`)
  const clientNames = section.list('client_allowed_sans')
  const [minVersion, maxVersion] = [version(section, 'min_version', 'TLS12'), version(section, 'max_version', 'TLS13')]
  section.boolean('prefer_server_cipher_suites', true)
  const [suites, curveNames] = [section.list('cipher_suites'), section.list('curve_preferences')]
  section.end()
  let options: WebTls['options']
  try {
    options = { minVersion, maxVersion, ...tlsNames(suites, curveNames) }
    createSecureContext(options)
  } catch (cause) {
    const got = [...suites, ...curveNames].join(', ')
    throw section.wrong('cipher_suites and curve_preferences', got, 'names that go together with the versions', cause)
  }
  return { paths: { certFile, keyFile, ...(caFile && { caFile }) }, clientAuth, clientNames, options }
}

function version(section: ConfigSection, key: string, fallback: keyof typeof versions): SecureVersion {
  return versions[section.oneOf(key, Object.keys(versions) as (keyof typeof versions)[], fallback)]
}

/** An HTTPS server whose certificates follow their files until it is closed. Throws `config` where they cannot be used. */
export function createTlsServer(tls: WebTls, options: ServerOptions, handler: RequestListener, logger: Logger): Server {
  const files = new TlsFiles(tls.paths, logger)
  const { clientAuth } = tls
  const server = createServer(
    {
      ...options,
      ...tls.options,
      ...files.current,
      requestCert: clientAuth !== 'NoClientCert',
      rejectUnauthorized: clientAuth === 'RequireAndVerifyClientCert',
    },
    handler,
  )
  const unwatch = files.watch((material) => server.setSecureContext({ ...tls.options, ...material }))
  server.once('close', unwatch)
  server.on('secureConnection', (socket) => {
    if (!isAccepted(socket, tls)) socket.destroy()
  })
  return server
}

/** What Node.js does not check itself. */
function isAccepted(socket: TLSSocket, { clientAuth, clientNames }: WebTls): boolean {
  if (clientAuth === 'NoClientCert') return true
  const certificate = socket.getPeerCertificate()
  const isGiven = Object.keys(certificate).length > 0
  if (!isGiven) return clientAuth === 'RequestClientCert' || clientAuth === 'VerifyClientCertIfGiven'
  if (clientAuth === 'VerifyClientCertIfGiven' && !socket.authorized) return false
  if (clientNames.length === 0) return true
  const names = (certificate.subjectaltname ?? '').split(', ').map((name) => name.replace(/^[^:]*:/, ''))
  return names.some((name) => clientNames.includes(name))
}
