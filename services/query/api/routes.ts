// The HTTP API of the querier, under /api/v1: Prometheus's routes over a backend, with Thanos's /stores.
// Specification: Prometheus 3.14, web/api/v1/api.go; parameters are read in requests.ts, answers written in reply.ts.
// Owns the routes and what a closed connection does: it cancels what was asked for.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { MnemoError } from '../../../lib/kit/errors.ts'
import { labelsToObject } from '../../../lib/labels/labels.ts'
import { quoteGo } from '../../../lib/promql/functions/go-format.ts'
import { prettifyExpr } from '../../../lib/promql/parse/format.ts'
import type { ActiveQuery, Found, QueryBackend, QueryRequest } from './backend.ts'
import { encodeLabels, truncatedWarning } from './encode.ts'
import { answerExemplars } from './exemplars.ts'
import { answerExplain, wantsAnalysis } from './explain.ts'
import { int64Json } from './int64.ts'
import { unescapeLabelName } from './label-names.ts'
import { answerMetadata } from './metadata.ts'
import { Params } from './params.ts'
import type { PeerDefaults, PeerRouteCall, PeerSource } from './peers.ts'
import { type Answer, sendAnswer, sendError, setCors } from './reply.ts'
import { type RequestDefaults, RequestReader } from './requests.ts'
import { answerAlerts, answerRules } from './rules.ts'
import { encodeStats, statsWarning, wantsStats } from './stats.ts'
import { alertmanagers, buildInfo, describeFeatures, type PromqlFeatures, runtimeInfo } from './status.ts'
import { translateExpr } from './syntax-tree.ts'
import { answerScrapePools, answerTargets } from './targets.ts'
import { answerTsdbStatus } from './tsdb-status.ts'

export interface ApiOptions extends RequestDefaults {
  /** Whether pages of other origins may ask; true unless told. */
  readonly cors?: boolean
  /** What is on behind flags, for /features. */
  readonly features?: PromqlFeatures
  /** The configuration that may change while it runs, for /status/config: YAML. */
  readonly configYaml?: () => string
  /** Who knows rules, targets, exemplars and metadata; absent: their routes are not there. */
  readonly peers?: PeerSource
  /** What one of them that does not answer means; a warning unless told. */
  readonly peerPartialResponse?: PeerDefaults['peerPartialResponse']
  /** The time now, Unix ms. */
  readonly now?: () => number
}

interface Call {
  readonly params: Params
  /** Aborts when the client has gone. */
  readonly signal: AbortSignal
  /** The `:name` of the path. */
  readonly name: string
}

type Handler = (call: Call) => Answer | Promise<Answer>

/** As Go's limit for forms. */
const maxBodyBytes = 10 * 1024 * 1024

/** Adds the routes of /api/v1 to a server. */
export function registerApi(app: FastifyInstance, backend: QueryBackend, options: ApiOptions): void {
  app.register(
    async (scope) => {
      readBodies(scope)
      const served: ServedPath[] = []
      answerNotFound(scope, served)
      if (options.cors ?? true) scope.addHook('onRequest', async (_request, reply) => setCors(reply))
      scope.options('/*', (_request, reply) => reply.code(204).send())
      addRoutes(scope, served, { backend, options })
    },
    { prefix: '/api/v1' },
  )
}

// Forms alone are parameters; any other body is ignored, as in Prometheus.
function readBodies(scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  const options = { parseAs: 'string', bodyLimit: maxBodyBytes } as const
  scope.addContentTypeParser('application/x-www-form-urlencoded', options, (_request, body, done) => done(null, body))
  scope.addContentTypeParser('*', options, (_request, _body, done) => done(null, ''))
}

/** A path that there is, and the methods that it takes. */
interface ServedPath {
  readonly path: RegExp
  readonly methods: readonly string[]
}

function answerNotFound(scope: FastifyInstance, served: readonly ServedPath[]): void {
  scope.setNotFoundHandler(({ url }, reply) => {
    const path = url.slice(scope.prefix.length).replace(/\?.*/s, '')
    const found = served.find((one) => one.path.test(path))
    return found ? notAllowed(reply, found.methods) : notFound(reply)
  })
  scope.setErrorHandler((error, request, reply) => sendError(request, reply, asRequestError(error)))
}

function notFound(reply: FastifyReply): FastifyReply {
  return reply.code(404).header('Content-Type', 'text/plain; charset=utf-8').send('404 page not found\n')
}

function notAllowed(reply: FastifyReply, methods: readonly string[]): FastifyReply {
  reply.code(405).header('Allow', [...methods, 'OPTIONS'].sort().join(', '))
  return reply.header('Content-Type', 'text/plain; charset=utf-8').send('Method Not Allowed\n')
}

// What the server itself refuses: a body too large, an ill-formed path.
function asRequestError(error: unknown): unknown {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined
  if (typeof status !== 'number' || status >= 500) return error
  return new MnemoError('bad_data', (error as Error).message, { cause: error })
}

function addRoutes(
  scope: FastifyInstance,
  served: ServedPath[],
  { backend, options }: { backend: QueryBackend; options: ApiOptions },
): void {
  const now = options.now ?? Date.now
  const reader = new RequestReader(options, now)
  const route = (methods: string[], url: string, handler: Handler) => {
    served.push({ methods, path: new RegExp(`^${url.replace(/:\w+/, '[^/]+')}$`) })
    scope.route({
      method: methods,
      url,
      handler: (request, reply) => answerCall(request, reply, handler),
      config: { handler: url.slice(1) },
      exposeHeadRoute: false,
    })
  }

  route(both, '/query', ({ params, signal }) => runQuery(backend, reader.instant(params), params, signal))
  route(both, '/query_range', ({ params, signal }) => runQuery(backend, reader.range(params), params, signal))
  const { syntax } = options
  route(both, '/query_explain', ({ params, signal }) =>
    answerExplain({ backend, request: reader.instant(params), params, syntax, signal }),
  )
  route(both, '/query_range_explain', ({ params, signal }) =>
    answerExplain({ backend, request: reader.range(params), params, syntax, signal }),
  )
  route(both, '/format_query', ({ params }) => json(prettifyExpr(reader.expr(params))))
  route(both, '/parse_query', ({ params }) => json(translateExpr(reader.expr(params))))
  route(both, '/labels', async ({ params, signal }) => {
    const { request, limit } = reader.labels(params)
    return list(await backend.labelNames(request, signal), limit, (name) => JSON.stringify(name))
  })
  route(get, '/label/:name/values', async ({ params, signal, name }) => {
    const { request, limit } = reader.labels(params)
    return list(await backend.labelValues(labelNameOf(name), request, signal), limit, (value) => JSON.stringify(value))
  })
  route(both, '/series', async ({ params, signal }) => {
    const { request, limit } = reader.series(params)
    return list(await backend.series(request, signal), limit, encodeLabels)
  })
  if (options.peers) addPeerRoutes(route, options.peers, options)
  addStatusRoutes(route, backend, options)
}

type AddRoute = (methods: string[], url: string, handler: Handler) => void

const both = ['GET', 'POST']
const get = ['GET']

function addPeerRoutes(route: AddRoute, peers: PeerSource, options: ApiOptions): void {
  const defaults = { ...options, peerPartialResponse: options.peerPartialResponse ?? {} }
  const peerRoute = (methods: string[], url: string, answer: (call: PeerRouteCall) => Promise<Answer>) =>
    route(methods, url, ({ params, signal }) => answer({ params, signal, peers, defaults }))
  peerRoute(get, '/metadata', answerMetadata)
  peerRoute(get, '/rules', answerRules)
  peerRoute(get, '/alerts', answerAlerts)
  peerRoute(get, '/targets', answerTargets)
  peerRoute(get, '/scrape_pools', answerScrapePools)
  peerRoute(both, '/query_exemplars', answerExemplars)
  peerRoute(get, '/status/tsdb', answerTsdbStatus)
}

/** What the querier says of itself. */
function addStatusRoutes(route: AddRoute, backend: QueryBackend, options: ApiOptions): void {
  const { now = Date.now, configYaml, features = {} } = options
  route(get, '/stores', () => json(storesOf(backend)))
  route(get, '/status/active_queries', () => json(backend.activeQueries().map(describeActive)))
  route(['DELETE'], '/status/active_queries/:name', ({ name }) => {
    backend.endQuery(name)
    return json(null)
  })
  route(get, '/status/flags', () => json(backend.flags()))
  route(get, '/status/buildinfo', () => json(buildInfo))
  const startTime = new Date(now()).toISOString()
  route(get, '/status/config', () => json({ yaml: configYaml?.() ?? '' }))
  route(get, '/features', () => json(describeFeatures(features)))
  route(get, '/alertmanagers', () => json(alertmanagers))
  route(get, '/status/runtimeinfo', () => json(runtimeInfo(startTime, now())))
}

async function answerCall(request: FastifyRequest, reply: FastifyReply, handler: Handler): Promise<FastifyReply> {
  const { name } = request.params as { name?: string }
  // The router takes an empty segment for a name.
  if (name === '') return notFound(reply)
  const gone = new AbortController()
  const onClose = () => {
    if (!reply.raw.writableEnded) gone.abort()
  }
  reply.raw.once('close', onClose)
  try {
    const answer = await handler({ params: paramsOf(request), signal: gone.signal, name: name ?? '' })
    if (answer.sent) reply.raw.once('close', answer.sent)
    return await sendAnswer(request, reply, answer)
  } catch (error) {
    return await sendError(request, reply, error)
  }
}

function paramsOf(request: FastifyRequest): Params {
  const at = request.url.indexOf('?')
  return new Params(at < 0 ? '' : request.url.slice(at + 1), typeof request.body === 'string' ? request.body : '')
}

async function runQuery(
  backend: QueryBackend,
  request: QueryRequest,
  params: Params,
  signal: AbortSignal,
): Promise<Answer> {
  const started = performance.now()
  const extras = { ...(wantsAnalysis(params) && { analyze: true }), ...(wantsStats(params) && { countSamples: true }) }
  const result = await backend.query({ ...request, ...extras }, signal)
  const { fields, warnings, infos, analysis } = result
  const times = { totalMs: performance.now() - started, perStep: params.get('stats') === 'all' }
  const stats = wantsStats(params) ? `,"stats":${encodeStats(result, times)}` : ''
  const shown = analysis === undefined ? '' : `,"analysis":${analysis}`
  return {
    data: ['{', ...fields, `${stats}${shown}}`],
    warnings: [...warnings, ...statsWarning(params)],
    infos,
    // Megabytes that would wait for a collection, and a thread that passes bytes on has few of those.
    sent: () => {
      for (const { buffer } of fields) buffer.transfer(0)
    },
  }
}

function json(data: unknown): Answer {
  return { data: JSON.stringify(data) }
}

/** A list of at most `limit` entries (0: all). */
function list<T>({ values, warnings }: Found<T>, limit: number, encode: (value: T) => string): Answer {
  const truncated = limit > 0 && values.length > limit
  const shown = truncated ? values.slice(0, limit) : values
  return {
    data: `[${shown.map(encode).join(',')}]`,
    warnings: truncated ? [...warnings, truncatedWarning] : warnings,
  }
}

function labelNameOf(segment: string): string {
  const name = unescapeLabelName(segment)
  if (name === '' || name.includes('\ufffd')) throw new MnemoError('bad_data', `invalid label name: ${quoteGo(name)}`)
  return name
}

function storesOf(backend: QueryBackend) {
  return Object.fromEntries(
    Object.entries(backend.stores()).map(([type, statuses]) => [
      type,
      statuses.map((status) => ({
        ...status,
        labelSets: status.labelSets.map(labelsToObject),
        minTime: int64Json(status.minTime),
        maxTime: int64Json(status.maxTime),
      })),
    ]),
  )
}

function describeActive({ id, state, query, startMs, endMs, stepMs, ageMs, series, bytes }: ActiveQuery) {
  const range = { start: startMs / 1000, end: endMs / 1000, step: stepMs / 1000 }
  return { id, state, query, ...range, ageSeconds: ageMs / 1000, series, bytes }
}
