// Times of Go's JSON to nanoseconds and back.
// Subject: lib/storeapi/timestamps.ts. Texts are what Prometheus writes.
import { expect, test } from 'vitest'
import { zeroTimeNs } from '../../../lib/storeapi/proto-message.ts'
import { formatTimestampNs, parseTimestampNs } from '../../../lib/storeapi/timestamps.ts'

test.each([
  ['1970-01-01T00:00:00Z', 0n, undefined],
  ['2026-11-22T21:20:44.648123456+01:00', 1_795_378_844_648_123_456n, '2026-11-22T20:20:44.648123456Z'],
  ['2026-11-22T20:20:44.5Z', 1_795_378_844_500_000_000n, undefined],
  ['1969-12-31T23:59:59.999999999Z', -1n, undefined],
  ['0001-01-01T00:00:00Z', zeroTimeNs, undefined],
])('%s', (text, ns, utc) => {
  expect(parseTimestampNs(text)).toBe(ns)
  expect(formatTimestampNs(ns)).toBe(utc ?? text)
})

test.each(['', 'yesterday', '2026-13-01T00:00:00Z', '2026-11-22 20:20:44Z', '2026-11-22T20:20:44'])(
  '"%s" is no time',
  (text) => {
    expect(() => parseTimestampNs(text)).toThrow(/want RFC 3339/)
  },
)
