// What every HTTP server of ours is told, and what becomes of one that listens: it is said where, and it closes with the service.
// Apart from http.ts, so that who does not serve yet need not load Node's HTTP.
import { formatAddress, parseListenAddress } from './address.ts'
import type { ServiceContext } from './lifecycle.ts'
import type { Logger } from './log.ts'
import type { Registry } from './metrics.ts'
import type { Probe } from './probe.ts'

export interface HttpOptions {
  /** host:port; port 0 lets the system choose. */
  readonly address: string
  readonly registry: Registry
  readonly probe: Probe
  readonly logger: Logger
  /** Draining begins when it aborts. */
  readonly signal: AbortSignal
  /** How long running requests may take after the signal; 0: they are cut. Default 2 minutes. */
  readonly graceMs?: number
  /** The file of --http.config; absent or '': plain text. Spread the service's context in. */
  readonly httpConfigFile?: string | undefined
  /** Where given (spread the service's context in), the process waits for the draining. */
  readonly onStop?: ServiceContext['onStop']
}

export interface HttpServer {
  /** Where it listens, with the port that the system chose. */
  readonly address: string
  readonly port: number
  /** Lets running requests end within the grace period, then closes; may be called again. */
  close(): Promise<void>
}

/** For requests that run when the service is asked to stop. */
export const defaultGraceMs = 120_000

/** Says where the server listens, and has it closed with the service. */
export function announce(
  { address: asked, graceMs = defaultGraceMs, logger, onStop, signal }: HttpOptions,
  port: number,
  drain: () => Promise<void>,
): HttpServer {
  const address = formatAddress({ host: parseListenAddress(asked).host, port })
  logger.info({ address }, 'listening for requests and metrics')
  const close = once(drain)
  onStop?.('http', close, { graceMs })
  const closeOnStop = () => close().catch((error: unknown) => logger.error({ err: error }, 'cannot close HTTP'))
  signal.addEventListener('abort', closeOnStop, { once: true })
  return { address, port, close }
}

/** The function's first promise, whoever asks. */
function once(work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => {
    running ??= work()
    return running
  }
}
