// Block names: ULIDs, 48 bits of time and 80 of chance in Crockford's base 32.
// Specification: https://github.com/ulid/spec; Prometheus and Thanos name their blocks so.
// Owns how new ones are made; which names are blocks is block-name.ts's.
import { decodeTime, ulid } from 'ulid'
import { MnemoError } from '../kit/errors.ts'

const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** A new ULID of the given time. */
export function newUlid(timeMs: number = Date.now()): string {
  return ulid(timeMs)
}

/**
 * A new ULID below the given one, a millisecond earlier where there is time for it: of two blocks with the same sources every
 * reader, Thanos's too, keeps the lower. Throws `bad_data` for the lowest of all.
 */
export function ulidBelow(id: string): string {
  const timeMs = ulidTimeMs(id)
  if (timeMs > 1) return newUlid(timeMs - 1) // of 0 it would be of now
  const last = id.search(/[^0]0*$/)
  if (last < 0) throw new MnemoError('bad_data', `cannot name a block below ${id}: it is the lowest`)
  const lower = digits[digits.indexOf(id[last]!) - 1]!
  return id.slice(0, last) + lower.padEnd(id.length - last, digits.at(-1))
}

/** The time in a ULID, in unix ms. */
export function ulidTimeMs(id: string): number {
  return decodeTime(id)
}
