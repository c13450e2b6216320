// Structured logs on standard error: logfmt as Thanos writes it (ts, level, msg, then the rest), or the same as JSON.
// pino makes the records; here they get their spelling.
// Owns the logger type that everything above takes.
import { type DestinationStream, destination, type Logger as PinoLogger, pino } from 'pino'
import { describeError, MnemoError } from './errors.ts'

export type Logger = PinoLogger
export const logLevels = ['error', 'warn', 'info', 'debug'] as const
export const logFormats = ['logfmt', 'json'] as const
export type LogLevel = (typeof logLevels)[number]
export type LogFormat = (typeof logFormats)[number]

export interface LoggerOptions {
  readonly level?: LogLevel | 'silent'
  readonly format?: LogFormat
  /** Where lines go; standard error unless told. */
  readonly sink?: { write(line: string): void }
}

/** A logger; `logger.info({ block, err }, 'block was uploaded')`. Errors under `err` are written with their causes. */
export function createLogger(options: LoggerOptions = {}): Logger {
  // Synchronous: what was logged before a crash is there.
  const sink: DestinationStream = options.sink ?? destination({ fd: 2, sync: true })
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
      serializers: { err: serializeError },
    },
    options.format === 'json' ? sink : { write: (line) => sink.write(toLogfmt(line)) },
  )
}

function serializeError(error: unknown): unknown {
  if (error instanceof MnemoError) return `${error.code}: ${describeError(error)}`
  // An error without a code is a bug: where it came from matters.
  return error instanceof Error ? `${error.stack ?? error.message}` : String(error)
}

function toLogfmt(line: string): string {
  const { ts, level, msg, ...rest } = JSON.parse(line) as Record<string, unknown>
  const pairs = Object.entries({ ts, level, msg, ...rest })
  return `${pairs
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key.replace(/[\s="]/g, '_')}=${logfmtValue(value)}`)
    .join(' ')}\n`
}

function logfmtValue(value: unknown): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
  return /^[^\s="\\\p{C}]+$/u.test(text) ? text : JSON.stringify(text)
}
