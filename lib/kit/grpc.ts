// gRPC for both ends: a server with health, limits, metrics and draining; channel options and errors for clients.
// Over grpc-js; metric names are those of grpc-ecosystem's Go middleware, which Thanos uses.
// Owns listening and draining; what is served is handed in as services.
import {
  type ChannelOptions,
  logVerbosity,
  Metadata,
  Server,
  type ServerInterceptor,
  type ServiceDefinition,
  type ServiceError,
  type StatusObject,
  setLogVerbosity,
  status,
} from '@grpc/grpc-js'
import { formatAddress, listenError, parseListenAddress } from './address.ts'
import { asMnemoError, describeError, type ErrorCode, MnemoError } from './errors.ts'
import type { FlagValues } from './flags.ts'
import { healthService } from './grpc-health.ts'
import { measureCalls } from './grpc-metrics.ts'
import { reflectionServices } from './grpc-reflection.ts'
import type { GrpcService } from './grpc-service.ts'
import { type ClientTls, type ServerTls, serverCredentials, type TlsOptions } from './grpc-tls.ts'
import type { grpcFlags, ServiceContext } from './lifecycle.ts'
import type { Logger } from './log.ts'
import type { Registry } from './metrics.ts'
import type { Probe } from './probe.ts'
import { tlsNames } from './tls-names.ts'

export interface GrpcOptions {
  /** host:port; port 0 lets the system choose. */
  readonly address: string
  readonly registry: Registry
  readonly probe: Probe
  readonly logger: Logger
  /** Draining begins when it aborts. */
  readonly signal: AbortSignal
  /** How long running calls may take after the signal; 0: they are cut. Default 2 minutes. */
  readonly graceMs?: number
  readonly maxConnectionAgeMs?: number
  readonly tls?: ServerTls
  /** Sees each call besides the metrics: lines in the log, for example. */
  readonly interceptor?: ServerInterceptor | undefined
  /** Where given (spread the service's context in), the process waits for the draining. */
  readonly onStop?: ServiceContext['onStop']
}

export interface GrpcServer {
  readonly address: string
  readonly port: number
  /** Lets running calls end within the grace period, then closes; may be called again. */
  close(): Promise<void>
}

// grpc-js writes lines of its own to standard error, e.g. where a port is taken; the errors that it throws say the same.
if (process.env.GRPC_VERBOSITY === undefined) setLogVerbosity(logVerbosity.NONE)

export type { GrpcService } from './grpc-service.ts'
export { type ClientTls, clientCredentials, type ServerTls } from './grpc-tls.ts'

/** Requests are small; answers have no limit but the peer's. */
const maxRequestBytes = 64 << 20
const flowControlWindowBytes = 16 << 20

/** Thanos's largest message, and what a length in a gRPC frame may sensibly say. */
export const maxMessageBytes = 2 ** 31 - 1

/** The part of startGrpc's options that flags give. */
export function grpcOptionsOf(
  values: FlagValues<typeof grpcFlags>,
): Pick<GrpcOptions, 'address' | 'graceMs' | 'maxConnectionAgeMs' | 'tls'> {
  const { grpcServerTlsCert: certFile, grpcServerTlsKey: keyFile, grpcServerTlsClientCa: clientCaFile } = values
  if ((certFile === '') !== (keyFile === ''))
    throw new MnemoError('config', 'cannot serve TLS: want both of --grpc-server-tls-cert and --grpc-server-tls-key')
  return {
    address: values.grpcAddress,
    graceMs: values.grpcGracePeriodMs,
    maxConnectionAgeMs: values.grpcMaxConnectionAgeMs,
    ...(certFile !== '' && {
      tls: { certFile, keyFile, ...(clientCaFile !== '' && { clientCaFile }), options: tlsOptionsOf(values) },
    }),
  }
}

function tlsOptionsOf(values: FlagValues<typeof grpcFlags>): TlsOptions {
  const minVersion = `TLSv${values.grpcServerTlsMinVersion}` as const
  try {
    return { minVersion, ...tlsNames(values.grpcServerTlsCiphers, values.grpcServerTlsCurves) }
  } catch (cause) {
    throw new MnemoError('config', 'cannot use --grpc-server-tls-curves', { cause })
  }
}

/** Serves the services, gRPC health and reflection at the address. Throws `config` where the address cannot be listened at. */
export async function startGrpc(options: GrpcOptions, services: readonly GrpcService[]): Promise<GrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': flowControlWindowBytes,
    ...(options.maxConnectionAgeMs && { 'grpc.max_connection_age_ms': options.maxConnectionAgeMs }),
    interceptors: [measureCalls(options.registry, services), ...(options.interceptor ? [options.interceptor] : [])],
  })
  const names = services.flatMap(({ definition }) => serviceNames(definition))
  const health = healthService(options.probe, names)
  const reflection = reflectionServices([...names, ...serviceNames(health.service.definition)])
  for (const { definition, implementation } of [...services, health.service, ...reflection])
    server.addService(definition, implementation)

  const { host, port } = parseListenAddress(options.address)
  const bound = await bind(server, formatAddress({ host, port }), options)
  const address = formatAddress({ host, port: bound })
  options.logger.info({ address }, 'listening for serving gRPC')
  const graceMs = options.graceMs ?? 120_000
  let closing: Promise<void> | undefined
  const close = () => {
    health.stop()
    closing ??= drain(server, graceMs)
    return closing
  }
  options.onStop?.('grpc', close, { graceMs })
  options.signal.addEventListener('abort', () => void close(), { once: true })
  return { address, port: bound, close }
}

function bind(server: Server, address: string, { tls, logger }: GrpcOptions): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  server.bindAsync(address, serverCredentials(tls, logger), (error, port) => {
    if (error) reject(listenError(`grpc-address ${address}`, error))
    else resolve(port)
  })
  return promise
}

function drain(server: Server, graceMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(() => server.forceShutdown(), graceMs)
  // An error means only that the server was not running; either way nothing is served any more.
  server.tryShutdown(() => {
    clearTimeout(timer)
    resolve()
  })
  return promise
}

function serviceNames(definition: ServiceDefinition): string[] {
  return [...new Set(Object.values(definition).map(({ path }) => path.split('/')[1]!))]
}

/**
 * Options of a client's channel: the receive limit (grpc-js's own is 4 MiB), a window that does not throttle a long
 * link, and pings that Thanos accepts (it closes connections that ping more than every 10 s, or without a call). A
 * lost peer's name is looked up again after 2 s (grpc-js: 30), since a container or pod comes back under another address.
 */
export function channelOptions(
  options: { readonly maxReceiveBytes?: number; readonly tls?: ClientTls | undefined } = {},
): ChannelOptions {
  const serverName = options.tls?.serverName
  return {
    ...(serverName !== undefined && {
      'grpc.ssl_target_name_override': serverName,
      'grpc.default_authority': serverName,
    }),
    'grpc.max_receive_message_length': options.maxReceiveBytes ?? maxMessageBytes,
    'grpc.max_send_message_length': -1,
    'grpc-node.flow_control_window': flowControlWindowBytes,
    'grpc.keepalive_time_ms': 15_000,
    'grpc.keepalive_timeout_ms': 5_000,
    'grpc.keepalive_permit_without_calls': 0,
    'grpc.max_reconnect_backoff_ms': 10_000,
    'grpc.dns_min_time_between_resolutions_ms': 2_000,
    'grpc.enable_http_proxy': 0,
  }
}

const codeOfStatus: Readonly<Record<number, ErrorCode>> = {
  [status.CANCELLED]: 'canceled',
  [status.INVALID_ARGUMENT]: 'bad_data',
  [status.DEADLINE_EXCEEDED]: 'timeout',
  [status.NOT_FOUND]: 'not_found',
  [status.ALREADY_EXISTS]: 'already_exists',
  [status.RESOURCE_EXHAUSTED]: 'resource_exhausted',
  [status.FAILED_PRECONDITION]: 'execution',
  [status.OUT_OF_RANGE]: 'bad_data',
  [status.UNIMPLEMENTED]: 'unsupported',
  [status.UNAVAILABLE]: 'unavailable',
  [status.DATA_LOSS]: 'corrupt',
}

/** A peer's failed call as an error with a code: "cannot WHAT: DETAILS". Statuses that say nothing are `internal`. */
export function errorOfStatus({ code, details }: ServiceError | StatusObject, what: string): MnemoError {
  // No cause: grpc-js's error says the same once more.
  const known = codeOfStatus[code]
  const name = known === undefined || details === '' ? ` (status ${status[code] ?? code})` : ''
  return new MnemoError(known ?? 'internal', `cannot ${what}: ${plainDetails(details)}${name}`)
}

/** On one line, without grpc-js's note about names where it has nothing to note. */
function plainDetails(details: string): string {
  return details
    .trim()
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.? Resolution note:$/, '')
}

/** What a server answers for an error. */
export function statusOfError(error: unknown): Partial<StatusObject> & { code: number; details: string } {
  const known = asMnemoError(error)
  return { code: known.grpcStatus, details: describeError(known), metadata: new Metadata() }
}
