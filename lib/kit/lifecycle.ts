// A service's life: flags, logger, metrics, then run; SIGTERM or SIGINT drains it and the process ends.
// Exit status: 0 stopped or done, 2 a configuration that is wrong (one line), 1 anything else (one line), or a stop that hung.
// Owns the process's signals and its exit; services own what they register with onStop.
import { asMnemoError, describeError, MnemoError } from './errors.ts'
import { durationFlag, enumFlag, type FlagSpec, type FlagValues, parseFlags, stringFlag, stringsFlag } from './flags.ts'
import { createLogger, type LogFormat, type Logger, type LogLevel, logFormats, logLevels } from './log.ts'
import { createRegistry, gauge, type Registry } from './metrics.ts'
import { Probe } from './probe.ts'

export const logFlags = {
  logLevel: enumFlag('log.level', logLevels, { help: 'Log filtering level.', default: 'info' }),
  logFormat: enumFlag('log.format', logFormats, { help: 'Log format to use: logfmt or json.', default: 'logfmt' }),
}

export const httpFlags = {
  httpAddress: stringFlag('http-address', {
    help: 'Listen host:port for HTTP endpoints.',
    default: '0.0.0.0:10902',
  }),
  httpGracePeriodMs: durationFlag('http-grace-period', {
    help: 'Time to wait after an interrupt received for HTTP Server.',
    default: '2m',
  }),
  httpConfig: stringFlag('http.config', {
    help: 'Path to the configuration file that can enable TLS for all HTTP endpoints.',
    default: '',
  }),
}

export const grpcFlags = {
  grpcAddress: stringFlag('grpc-address', {
    help: 'Listen ip:port address for gRPC endpoints (StoreAPI). Other components must be able to reach it.',
    default: '0.0.0.0:10901',
  }),
  grpcGracePeriodMs: durationFlag('grpc-grace-period', {
    help: 'Time to wait after an interrupt received for GRPC Server.',
    default: '2m',
  }),
  grpcMaxConnectionAgeMs: durationFlag('grpc-server-max-connection-age', {
    help: 'The age at which a connection is asked to make way for a new one.',
    default: '60m',
  }),
  grpcServerTlsCert: stringFlag('grpc-server-tls-cert', {
    help: 'TLS certificate for the gRPC server; blank: no TLS.',
    default: '',
  }),
  grpcServerTlsKey: stringFlag('grpc-server-tls-key', { help: 'TLS key for the gRPC server.', default: '' }),
  grpcServerTlsClientCa: stringFlag('grpc-server-tls-client-ca', {
    help: 'TLS CA that clients are verified against; blank: clients are not verified.',
    default: '',
  }),
  grpcServerTlsMinVersion: enumFlag('grpc-server-tls-min-version', ['1.2', '1.3'], {
    help: 'TLS supported minimum version for gRPC server: 1.2 or 1.3.',
    default: '1.3',
  }),
  grpcServerTlsCiphers: stringsFlag('grpc-server-tls-ciphers', {
    help: 'TLS cipher suites for gRPC server, as Go or OpenSSL name them (repeatable); none: those of Node.js.',
  }),
  grpcServerTlsCurves: stringsFlag('grpc-server-tls-curves', {
    help: 'TLS curves for gRPC server (repeatable): CurveP256, CurveP384, CurveP521, X25519; none: those of Node.js.',
  }),
}

/** What every service that listens has, named as in Thanos. */
export const commonFlags = { ...logFlags, ...httpFlags, ...grpcFlags }

export interface StopOptions {
  /** How long the function may take beyond the 10 s that each has: a drain's grace period. */
  readonly graceMs?: number
}

export interface ServiceContext {
  /** Aborts when the process is asked to stop. Background work ends on it; requests that run are let finish. */
  readonly signal: AbortSignal
  readonly logger: Logger
  readonly registry: Registry
  readonly probe: Probe
  /** The file of --http.config, where the service has that flag and it is given. */
  readonly httpConfigFile?: string
  /** Registers what has to be closed; the last one registered is stopped first. */
  onStop(part: string, stop: () => void | Promise<void>, options?: StopOptions): void
  /** Resolves when the process is asked to stop: a server's run ends with `await ctx.untilStopped()`. */
  untilStopped(): Promise<void>
}

export interface Service<S extends FlagSpec> {
  readonly name: string
  readonly summary: string
  readonly flags: S
  readonly argv: readonly string[]
  /** When it resolves the service is done: everything is stopped and the process ends with status 0. */
  run(values: FlagValues<S>, ctx: ServiceContext): Promise<void>
}

/** What a single stop may take besides its grace period, and what run may take to end after an abort. */
const stopTimeoutMs = 10_000

/** A Ctrl-C comes several times at once: from the terminal to the whole group, and from npm to its child. */
const sameSignalMs = 500

/** Runs a service from its flags to its end, and ends the process. */
export async function runService<S extends FlagSpec>(service: Service<S>): Promise<never> {
  const status = await runToStatus(service)
  await written(process.stdout)
  process.exit(status)
}

/** What of the common flags is dealt with here. */
interface CommonValues {
  readonly logLevel?: LogLevel
  readonly logFormat?: LogFormat
  readonly httpConfig?: string
}

/** Until all that was written has been taken: what a pipe has not taken yet would be lost with the process. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return stream.writableLength === 0 ? Promise.resolve() : new Promise((resolve) => stream.write('', () => resolve()))
}

async function runToStatus<S extends FlagSpec>(service: Service<S>): Promise<number> {
  try {
    const values = parseFlags(service.name, service.summary, service.flags, service.argv)
    const { logLevel, logFormat, httpConfig } = values as CommonValues
    const logger = createLogger({ level: logLevel ?? 'info', format: logFormat ?? 'logfmt' })
    const life = new Life(service.name, logger)
    const context = { ...life.context, ...(httpConfig && { httpConfigFile: httpConfig }) }
    try {
      await untilDone(service.run(values, context), context)
    } catch (error) {
      await life.stop().catch(() => logger.error('not everything was stopped'))
      throw error
    }
    await life.stop()
    return 0
  } catch (error) {
    const known = asMnemoError(error)
    console.error(`mnemo ${service.name}: ${describeError(known)}`)
    return known.code === 'config' ? 2 : 1
  }
}

/** Waits for the run's own end or for a signal, and after a signal for the run to wind up. */
async function untilDone(run: Promise<void>, ctx: ServiceContext): Promise<void> {
  const ended = ignoreStop(run, ctx.signal)
  await Promise.race([ended, ctx.untilStopped()])
  if (ctx.signal.aborted) await within(stopTimeoutMs, 'the work to end', ended)
}

class Life {
  readonly context: ServiceContext
  readonly #logger: Logger
  readonly #abort = new AbortController()
  readonly #stops: { name: string; stop: () => void | Promise<void>; graceMs: number }[] = []

  constructor(name: string, logger: Logger) {
    this.#logger = logger
    const probe = new Probe()
    const registry = createRegistry()
    exposeStatus(name, probe, registry)
    const stopped = Promise.withResolvers<void>()
    let askedAtMs = 0
    const onSignal = (signal: NodeJS.Signals) => {
      if (this.#abort.signal.aborted) {
        if (performance.now() - askedAtMs < sameSignalMs) return
        logger.error({ signal }, 'second signal: ending at once')
        process.exit(1)
      }
      askedAtMs = performance.now()
      logger.info({ signal }, 'stopping')
      probe.notReady('stopping')
      this.#abort.abort(new MnemoError('canceled', `cannot go on: ${name} is stopping`))
      stopped.resolve()
    }
    process.on('SIGTERM', onSignal)
    process.on('SIGINT', onSignal)
    const onBug = (error: unknown) => {
      logger.fatal({ err: error }, 'unexpected error')
      process.exit(1)
    }
    process.on('uncaughtException', onBug)
    process.on('unhandledRejection', onBug)
    this.context = {
      signal: this.#abort.signal,
      logger,
      registry,
      probe,
      onStop: (part, stop, options) => this.#stops.push({ name: part, stop, graceMs: options?.graceMs ?? 0 }),
      untilStopped: () => stopped.promise,
    }
  }

  /** Stops all that was registered, the last first; throws the first error after all have had their turn. */
  async stop(): Promise<void> {
    const errors: unknown[] = []
    this.context.probe.notReady('stopping')
    if (!this.#abort.signal.aborted) this.#abort.abort(new MnemoError('canceled', 'cannot go on: the work has ended'))
    for (const { name, stop, graceMs } of this.#stops.reverse()) {
      try {
        await within(graceMs + stopTimeoutMs, `${name} to stop`, Promise.try(stop))
        this.#logger.debug({ part: name }, 'stopped')
      } catch (error) {
        this.#logger.error({ part: name, err: error }, 'could not be stopped')
        errors.push(error)
      }
    }
    if (errors.length > 0) throw errors[0]
  }
}

/** Thanos's thanos_status: 1 where a check is passed. */
function exposeStatus(component: string, probe: Probe, registry: Registry): void {
  const status = gauge(registry, {
    name: 'thanos_status',
    help: 'Represents status (0 indicates failure, 1 indicates success) of the component.',
    labelNames: ['component', 'check'],
  })
  const set = () => {
    status.set({ component, check: 'healthy' }, Number(probe.isHealthy))
    status.set({ component, check: 'ready' }, Number(probe.isReady))
  }
  probe.onChange(set)
  set()
}

async function ignoreStop(run: Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    await run
  } catch (error) {
    if (!signal.aborted || asMnemoError(error).code !== 'canceled') throw error
  }
}

async function within(limitMs: number, what: string, work: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(
    () => reject(new MnemoError('timeout', `cannot stop: waited ${limitMs} ms for ${what}`)),
    limitMs,
  )
  try {
    await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}
