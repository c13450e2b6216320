// The HTTP server of a service: /-/healthy, /-/ready, /metrics, and the service's routes, measured as Thanos measures them.
// Fastify does the work. When the process is asked to stop, running requests may end within the grace period.
// Owns the draining; routes and their error format are the service's.
import { once } from 'node:events'
import type { Server, Socket } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import collectProcessMetrics from 'prom-client/lib/defaultMetrics.js'
import { listenError, parseListenAddress } from './address.ts'
import { BasicAuth } from './basic-auth.ts'
import { asMnemoError, describeError, MnemoError } from './errors.ts'
import { announce, defaultGraceMs, type HttpOptions, type HttpServer } from './http-listening.ts'
import { counter, histogram, type Registry } from './metrics.ts'
import { createTlsServer, readWebConfig } from './web-config.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Name of the route in metrics (`handler`); its path unless told. */
    handler?: string
  }
}

type Configure = (app: FastifyInstance) => void | Promise<void>

/** As Go's servers: a query may be a long URL. */
const maxHeaderBytes = 1 << 20
const maxParamChars = 4096
/** No route has a schema. Fastify's own compilers for them are a quarter of the modules that a service loads. */
const refuseSchema = () => {
  throw new MnemoError('internal', 'cannot compile a schema: routes have none')
}
const noSchemas = { compilersFactory: { buildValidator: () => refuseSchema, buildSerializer: () => refuseSchema } }
const sweepIntervalMs = 100
const durationBuckets = [0.001, 0.01, 0.1, 0.3, 0.6, 1, 3, 6, 9, 20, 30, 60, 90, 120, 240, 360, 720]

/** Serves HTTP at the address; `configure` adds routes. Throws `config` where the address cannot be listened at. */
export async function startHttp(options: HttpOptions, configure?: Configure): Promise<HttpServer> {
  const app = await createApp(options, configure)
  const unused = trackUnused(app)
  const { host, port } = parseListenAddress(options.address)
  try {
    await app.listen({ host, port })
  } catch (error) {
    throw listenError(`http-address ${options.address}`, error)
  }
  const bound = app.addresses().find((at) => typeof at === 'object')?.port ?? port
  const graceMs = options.graceMs ?? defaultGraceMs
  return announce(options, bound, () => drain(app, { graceMs, unused }))
}

/**
 * Serves HTTP where `listener` listens: takes over that, and the connections that it has taken already. Resolves with how to
 * close. Not for --http.config: Fastify would leave a server that it has not made itself open.
 */
export async function takeOver(
  listener: Server,
  taken: readonly Socket[],
  options: HttpOptions,
): Promise<() => Promise<void>> {
  const app = await createApp(options)
  const unused = trackUnused(app)
  // What is connected counts as such, and is closed, only where it comes after this event.
  await once(app.server.listen(listener), 'listening')
  for (const socket of taken) {
    app.server.emit('connection', socket)
    socket.resume()
  }
  return () => drain(app, { graceMs: options.graceMs ?? defaultGraceMs, unused })
}

async function createApp(options: HttpOptions, configure: Configure = () => {}): Promise<FastifyInstance> {
  const app = bareApp(options)
  collectProcessMetrics({ register: options.registry })
  measure(app, options.registry)
  addProbes(app, options)
  app.setNotFoundHandler((_request, reply) =>
    reply.code(404).type('text/plain; charset=utf-8').send('404 page not found\n'),
  )
  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number')
      return reply.code(error.statusCode).type('text/plain').send(error.message)
    const known = asMnemoError(error)
    if (known.code === 'internal') options.logger.error({ err: known.cause ?? known }, 'request failed')
    return reply.code(known.httpStatus).type('text/plain').send(describeError(known))
  })
  // In a scope of its own, so that the service may set its own error handler.
  app.register(async (scope) => configure(scope))
  await app.ready()
  return app
}

function bareApp({ httpConfigFile, logger }: HttpOptions): FastifyInstance {
  const http = { maxHeaderSize: maxHeaderBytes }
  const common = { routerOptions: { maxParamLength: maxParamChars }, schemaController: noSchemas }
  if (!httpConfigFile) return fastify({ http, ...common })
  const { tls, headers, users } = readWebConfig(httpConfigFile)
  const app = tls
    ? fastify({ ...common, serverFactory: (handler) => createTlsServer(tls, http, handler, logger) })
    : fastify({ http, ...common })
  if (headers.size > 0)
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers(Object.fromEntries(headers))
    })
  if (users.size > 0) {
    const auth = new BasicAuth(users)
    app.addHook('onRequest', async ({ headers: { authorization } }, reply) => {
      if (await auth.accepts(authorization)) return
      return reply.code(401).header('WWW-Authenticate', 'Basic').type('text/plain').send('Unauthorized\n')
    })
  }
  return app
}

function addProbes(app: FastifyInstance, { probe, registry }: HttpOptions): void {
  app.get('/-/healthy', (_request, reply) => answer(reply, probe.unhealthyReason))
  app.get('/-/ready', (_request, reply) => answer(reply, probe.notReadyReason))
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()))
}

function answer(reply: { code(status: number): { type(t: string): { send(s: string): unknown } } }, wrong?: string) {
  return reply
    .code(wrong === undefined ? 200 : 503)
    .type('text/plain; charset=utf-8')
    .send(wrong === undefined ? 'OK' : `NOT OK: ${wrong}`)
}

function measure(app: FastifyInstance, registry: Registry): void {
  const labelNames = ['code', 'handler', 'method'] as const
  const total = counter(registry, {
    name: 'http_requests_total',
    help: 'Tracks the number of HTTP requests.',
    labelNames,
  })
  const duration = histogram(registry, {
    name: 'http_request_duration_seconds',
    help: 'Tracks the latencies for HTTP requests.',
    labelNames,
    buckets: durationBuckets,
  })
  app.addHook('onResponse', async (request, reply) => {
    const { config, url } = request.routeOptions
    const labels = {
      code: String(reply.statusCode),
      handler: config.handler ?? url ?? 'none',
      method: request.method.toLowerCase(),
    }
    total.inc(labels)
    duration.observe(labels, reply.elapsedTime / 1000)
  })
}

/** The connections that have not asked anything yet: browsers open some ahead. To Node they are not idle, as requests may be on the way. */
function trackUnused({ server }: FastifyInstance): ReadonlySet<Socket> {
  const unused = new Set<Socket>()
  const isTls = 'setSecureContext' in server
  server.on(isTls ? 'secureConnection' : 'connection', (socket: Socket) => {
    unused.add(socket)
    socket.once('close', () => unused.delete(socket))
  })
  server.on('request', ({ socket }: { socket: Socket }) => unused.delete(socket))
  return unused
}

interface Draining {
  readonly graceMs: number
  readonly unused: ReadonlySet<Socket>
}

async function drain(app: FastifyInstance, { graceMs, unused }: Draining): Promise<void> {
  const cut = setTimeout(() => app.server.closeAllConnections(), graceMs)
  // Closing ends the connections that are idle at that moment; those that answer a last request fall idle later.
  const sweep = setInterval(() => {
    app.server.closeIdleConnections()
    for (const socket of unused) socket.destroy()
  }, sweepIntervalMs)
  try {
    await app.close()
  } finally {
    clearTimeout(cut)
    clearInterval(sweep)
  }
}
