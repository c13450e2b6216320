// Block names: ULIDs, 48 bits of time and 80 of chance in Crockford's base 32.
// Specification: https://github.com/ulid/spec; Prometheus and Thanos name their blocks so.
// Owns which names are blocks: whatever else lies in a bucket is left alone.
import { decodeTime, ulid } from 'ulid'

const pattern = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** Whether the text is a ULID as blocks are named: 26 characters, upper case. */
export function isUlid(text: string): boolean {
  return pattern.test(text)
}

/** A new ULID of the given time. */
export function newUlid(timeMs: number = Date.now()): string {
  return ulid(timeMs)
}

/** The time in a ULID, in unix ms. */
export function ulidTimeMs(id: string): number {
  return decodeTime(id)
}
