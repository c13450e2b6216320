// Logging of requests: the configuration of --request.logging-config, and the lines for HTTP requests and gRPC calls.
// Format and fields: Thanos pkg/logging (https://thanos.io/tip/thanos/logging.md): calls that went well are logged at debug, others
// at error; `level` says which of these lines are written, as far as --log.level lets them pass. Owns what is logged when.
import { readFileSync } from 'node:fs'
import {
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
  status,
} from '@grpc/grpc-js'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { parse } from 'yaml'
import { ConfigSection } from './config-section.ts'
import { asMnemoError, MnemoError } from './errors.ts'
import { type FlagValues, stringFlag } from './flags.ts'
import type { Logger } from './log.ts'

export const requestLoggingFlags = {
  requestLoggingConfig: stringFlag('request.logging-config', {
    help: "Alternative to 'request.logging-config-file' flag (mutually exclusive). Content of YAML file with request logging configuration. See format details: https://thanos.io/tip/thanos/logging.md/#configuration",
    default: '',
  }),
  requestLoggingConfigFile: stringFlag('request.logging-config-file', {
    help: 'Path to YAML file with request logging configuration. See format details: https://thanos.io/tip/thanos/logging.md/#configuration',
    default: '',
  }),
}

const levels = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const
type Level = (typeof levels)[number]

/** Which calls are logged; `selected` empty: every one. */
export interface CallLogging {
  readonly level: Level
  readonly atStart: boolean
  readonly atEnd: boolean
  /** `/api/v1/query:10902` for HTTP, `/thanos.Store/Info` for gRPC. */
  readonly selected: ReadonlySet<string>
}

/** Absent: nothing of that protocol is logged. */
export interface RequestLogging {
  readonly http?: CallLogging
  readonly grpc?: CallLogging
}

/** What the flags say. Throws `config` that names the flag. */
export function readRequestLogging(values: FlagValues<typeof requestLoggingFlags>): RequestLogging {
  const { requestLoggingConfig: content, requestLoggingConfigFile: file } = values
  if (content !== '' && file !== '')
    throw new MnemoError('config', 'want one of --request.logging-config and --request.logging-config-file, got both')
  const flag = file === '' ? '--request.logging-config' : `--request.logging-config-file=${file}`
  try {
    return parseRequestLogging(file === '' ? content : readFileSync(file, 'utf8'))
  } catch (cause) {
    throw new MnemoError('config', `flag ${flag}`, { cause })
  }
}

const what = 'the request logging configuration'

/** Throws `config`. */
export function parseRequestLogging(yamlText: string): RequestLogging {
  let content: unknown
  try {
    content = parse(yamlText, { schema: 'failsafe' })
  } catch (cause) {
    throw new MnemoError('config', `cannot use ${what}: got text that is no YAML`, { cause: asMnemoError(cause) })
  }
  if (content === null || content === '') return {}
  const root = new ConfigSection(content, '', what)
  const common = readOptions(root.section('options'), 'options')
  const http = readProtocol(content, 'http', common, (entry) => `${entry.string('path')}:${entry.count('port', 0)}`)
  const grpc = readProtocol(content, 'grpc', common, (entry) => `/${entry.string('service')}/${entry.string('method')}`)
  root.section('http')
  root.section('grpc')
  root.end()
  return { ...(http && { http }), ...(grpc && { grpc }) }
}

type Options = Pick<CallLogging, 'level' | 'atStart' | 'atEnd'>

/** Undefined where the section is not there. */
function readOptions(section: ConfigSection, path: string): Options | undefined {
  const isThere = section.has('level') || section.has('decision')
  const decision = section.section('decision')
  const [atStart, atEnd] = [decision.boolean('log_start', false), decision.boolean('log_end', false)]
  decision.end()
  if (!isThere) return undefined
  const level = section.oneOf('level', levels, 'ERROR')
  section.end()
  if (atStart && !atEnd)
    throw new MnemoError('config', `cannot use ${what}: ${path}.decision: got log_start alone, want log_end with it`)
  return { level, atStart, atEnd }
}

function readProtocol(
  content: unknown,
  name: 'http' | 'grpc',
  common: Options | undefined,
  select: (entry: ConfigSection) => string,
): CallLogging | undefined {
  const { config, ...rest } = ((content as Record<string, unknown>)[name] || {}) as Record<string, unknown>
  const section = new ConfigSection(rest, name, what)
  const options = readOptions(section.section('options'), `${name}.options`) ?? common
  section.end()
  const entries = config === undefined || config === '' ? [] : config
  if (!Array.isArray(entries)) throw section.wrong('config', JSON.stringify(config), 'a list')
  const selected = new Set(
    entries.map((one, i) => {
      const entry = new ConfigSection(one, `${name}.config[${i}]`, what)
      const key = select(entry)
      entry.end()
      return key
    }),
  )
  return options && (options.atStart || options.atEnd) ? { ...options, selected } : undefined
}

/** Adds the lines to a scope's routes. */
export function logHttpRequests(scope: FastifyInstance, logging: CallLogging | undefined, parent: Logger): void {
  if (logging === undefined) return
  const logger = parent.child({ protocol: 'http', 'http.component': 'server' })
  const { atStart, selected } = logging
  const isLogged = (request: FastifyRequest) =>
    selected.size === 0 || selected.has(`${pathOf(request)}:${portOf(request)}`)
  if (atStart)
    scope.addHook('onRequest', async (request) => {
      if (!isLogged(request) || logging.level !== 'DEBUG') return
      logger.debug(describeRequest(request), 'started call')
    })
  scope.addHook('onResponse', async (request, reply) => {
    if (!isLogged(request)) return
    const { statusCode } = reply
    const isFine = statusCode >= 200 && statusCode < 500
    if (isFine && logging.level !== 'DEBUG') return
    const fields = {
      ...describeRequest(request),
      'http.status_code': String(statusCode),
      'http.time_ms': String(Math.round(reply.elapsedTime * 1000) / 1000),
      'http.remote_addr': headerOf(request, 'x-forwarded-for') || `${request.ip}:${request.socket.remotePort}`,
    }
    if (isFine) logger.debug(fields, 'finished call')
    else logger.error(fields, 'finished call')
  })
}

function describeRequest(request: FastifyRequest) {
  const { config, url } = request.routeOptions
  return {
    'http.method': `${request.method} ${request.url}`,
    'http.request_id': headerOf(request, 'x-request-id'),
    'http.user_agent': headerOf(request, 'user-agent'),
    'thanos.method_name': config.handler ?? url ?? 'none',
  }
}

function pathOf({ url }: FastifyRequest): string {
  return url.split('?', 1)[0]!
}

/** As the client sees it, which is what is configured. */
function portOf({ headers }: FastifyRequest): string {
  return /:(\d+)$/.exec(headers.host ?? '')?.[1] ?? ''
}

function headerOf({ headers }: FastifyRequest, name: string): string {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : (value ?? '')
}

/** Statuses that are this side's fault. */
const faults = new Set<number>([status.UNKNOWN, status.UNIMPLEMENTED, status.INTERNAL, status.DATA_LOSS])

/** An interceptor that writes the lines of gRPC calls. */
export function logGrpcCalls(logging: CallLogging, parent: Logger): ServerInterceptor {
  const logger = parent.child({ protocol: 'grpc', 'grpc.component': 'server' })
  const { atStart, level, selected } = logging
  return (method, call) => {
    if (selected.size > 0 && !selected.has(method.path)) return new ServerInterceptingCall(call)
    const startMs = performance.now()
    const [, service, name] = method.path.split('/')
    const fields = { 'grpc.service': service, 'grpc.method': name, 'peer.address': call.getPeer() }
    if (atStart && level === 'DEBUG') logger.debug(fields, 'started call')
    let ended = false
    const end = (code: number) => {
      const isFine = !faults.has(code)
      if (ended || (isFine && level !== 'DEBUG')) return
      ended = true
      const took = { 'grpc.code': status[code] ?? String(code), 'grpc.time_ms': String(Math.round((performance.now() - startMs) * 1000) / 1000) } // biome-ignore format: one line
      if (isFine) logger.debug({ ...fields, ...took }, 'finished call')
      else logger.error({ ...fields, ...took }, 'finished call')
    }
    const listener = new ServerListenerBuilder().withOnCancel(() => end(status.CANCELLED)).build()
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((sent, next) => {
        end(sent.code ?? status.UNKNOWN)
        next(sent)
      })
      .build()
    return new ServerInterceptingCall(call, responder)
  }
}
