// Times as Go writes them in JSON (RFC 3339 with up to nine digits of a second), in whole nanoseconds.
// Specification: Go's time.RFC3339Nano. Milliseconds would lose what Prometheus and Thanos show of evaluations.
// Owns the two directions; what is written is UTC.
import { MnemoError } from '../kit/errors.ts'

const rfc3339 = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/

/** Nanoseconds since the epoch. Throws `bad_data`. */
export function parseTimestampNs(text: string): bigint {
  const [, seconds, fraction = '', zone] = rfc3339.exec(text) ?? []
  const timeMs = Date.parse(`${seconds}${zone}`)
  if (Number.isNaN(timeMs)) throw new MnemoError('bad_data', `cannot read time: got "${text}", want RFC 3339`)
  return BigInt(timeMs) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}

/** `2026-11-22T20:04:16.123456789Z`, without zeros at the end of the fraction. */
export function formatTimestampNs(ns: bigint): string {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  const seconds = new Date(Number((ns - fraction) / 1_000_000n)).toISOString().slice(0, -'.000Z'.length)
  const digits = fraction.toString().padStart(9, '0').replace(/0+$/, '')
  return `${seconds}${digits === '' ? '' : `.${digits}`}Z`
}
