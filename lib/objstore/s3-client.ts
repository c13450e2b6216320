// The S3 SDK's client as Mnemo needs it: connections, deadlines, retries, Content-MD5 and tracing by the configuration.
// Specification: S3Settings (Thanos's keys); the SDK's retries are its standard mode (backoff with jitter, a retry budget).
// Owns the client; imported only where S3 is configured.
import { createHash } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import { S3Client } from '@aws-sdk/client-s3'
import type { Logger } from '../kit/log.ts'
import type { S3HttpSettings, S3Settings } from './s3-config.ts'

/** What the name meant may be gone: the next attempt looks it up again. */
const connectTimeoutMs = 5_000
/** For a connection, be it one that others use now. */
const socketTimeoutMs = 30_000

/** A client of its own connections; `destroy()` closes them. */
export function createS3Client(settings: S3Settings, logger: Logger | undefined): S3Client {
  const client = new S3Client({
    region: settings.region,
    ...(settings.endpoint !== undefined && { endpoint: settings.endpoint }),
    ...(settings.credentials && { credentials: settings.credentials }),
    useDualstackEndpoint: settings.dualstack,
    forcePathStyle: settings.forcePathStyle,
    followRegionRedirects: true,
    maxAttempts: settings.maxAttempts,
    retryMode: 'standard',
    // Not every S3 server knows the newer checksums; Content-MD5 (below) is known by all.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    requestHandler: {
      ...createAgents(settings.http),
      connectionTimeout: socketTimeoutMs,
      requestTimeout: settings.http.responseHeaderTimeoutMs,
      throwOnRequestTimeout: true,
      // A body that stalls is given up like an answer that does not begin.
      socketTimeout: settings.http.responseHeaderTimeoutMs,
    },
  })
  addBodyDigest(client, settings)
  if (settings.trace && logger) addTrace(client, logger)
  return client
}

/** A request's options: the signal ends it. */
export function abortOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {}
}

function createAgents(settings: S3HttpSettings): { httpAgent: http.Agent; httpsAgent: https.Agent } {
  const options = {
    keepAlive: true,
    timeout: settings.idleConnTimeoutMs,
    maxFreeSockets: Math.min(settings.maxIdleConns, settings.maxIdleConnsPerHost),
    maxSockets: settings.maxConnsPerHost || Number.POSITIVE_INFINITY,
  }
  return {
    httpAgent: new ConnectAgent(options),
    httpsAgent: new HandshakeAgent({ ...options, ...settings.tls }, settings.tlsHandshakeTimeoutMs),
  }
}

type Connected = (error: Error | null, stream: Duplex) => void

/** An agent whose connections have a deadline. */
class ConnectAgent extends http.Agent {
  override createConnection(options: http.ClientRequestArgs, callback?: Connected): Duplex | null | undefined {
    const socket = super.createConnection(options, callback)
    if (socket) endUnless(socket, 'connect', connectTimeoutMs)
    return socket
  }
}

/** An agent whose connections and TLS handshakes have deadlines. */
class HandshakeAgent extends https.Agent {
  readonly #timeoutMs: number

  constructor(options: https.AgentOptions, timeoutMs: number) {
    super(options)
    this.#timeoutMs = timeoutMs
  }

  override createConnection(options: https.RequestOptions, callback?: Connected): Duplex | null | undefined {
    const socket = super.createConnection(options, callback)
    if (!socket) return socket
    endUnless(socket, 'connect', connectTimeoutMs)
    socket.once('connect', () => endUnless(socket, 'secureConnect', this.#timeoutMs))
    return socket
  }
}

function endUnless(socket: Duplex, event: 'connect' | 'secureConnect', timeoutMs: number): void {
  const what = event === 'connect' ? 'connecting' : 'TLS handshake'
  const expire = () => socket.destroy(Object.assign(new Error(`${what} timed out`), { code: 'ETIMEDOUT' }))
  const timer = setTimeout(expire, timeoutMs)
  for (const end of [event, 'close']) socket.once(end, () => clearTimeout(timer))
}

interface WireRequest {
  readonly protocol: string
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body?: unknown
}

// The middlewares see every kind of request; what is of interest is the plain HTTP request inside.
function wireRequest(args: { request?: unknown }): WireRequest | undefined {
  const { request } = args
  return typeof request === 'object' && request !== null && 'headers' in request ? (request as WireRequest) : undefined
}

/**
 * Bytes that are put are vouched for once: by their Content-MD5, which is signed with the other headers, or by TLS. Else by the SHA-256
 * that the SDK signs, which takes twice the time of MD5.
 */
function addBodyDigest(client: S3Client, { sendContentMd5 }: S3Settings): void {
  client.middlewareStack.add(
    (next) => (args) => {
      const request = wireRequest(args)
      if (!(request?.body instanceof Uint8Array)) return next(args)
      const { protocol, headers, body } = request
      if (sendContentMd5) headers['content-md5'] = createHash('md5').update(body).digest('base64')
      if (sendContentMd5 || protocol === 'https:') headers['x-amz-content-sha256'] = 'UNSIGNED-PAYLOAD'
      return next(args)
    },
    { step: 'build', name: 'mnemoBodyDigest', override: true },
  )
}

function addTrace(client: S3Client, logger: Logger): void {
  client.middlewareStack.add(
    (next) => async (args) => {
      const startedMs = performance.now()
      const { method, path } = wireRequest(args) ?? {}
      const tell = (outcome: object) =>
        logger.debug({ method, path, durationMs: Math.round(performance.now() - startedMs), ...outcome }, 's3 request')
      try {
        const result = await next(args)
        tell({ status: (result.response as { statusCode?: number } | undefined)?.statusCode })
        return result
      } catch (err) {
        tell({ err })
        throw err
      }
    },
    { step: 'finalizeRequest', priority: 'low', name: 'mnemoTrace', override: true },
  )
}
