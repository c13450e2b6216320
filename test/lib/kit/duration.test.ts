// Durations in Prometheus's and Go's spelling.
import { expect, test } from 'vitest'
import { formatDurationMs, parseDurationMs } from '../../../lib/kit/duration.ts'

test.each([
  ['0', 0],
  ['0s', 0],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['2d', 172_800_000],
  ['1y2w3d4h5m6s7ms', 33_019_506_007],
  ['1.5h', 5_400_000],
  ['-2h45m', -9_900_000],
  ['500us', 0.5],
  ['1m1h', 3_660_000],
  ['.5s', 500],
])('%s', (text, want) => {
  expect(parseDurationMs(text)).toBe(want)
})

test.each(['', '1', '5', 'm', '1d1y', '1.5d', '-2d', '1h ', '5 m', '300y', '1e3s', '999999999999h'])(
  '"%s" is refused',
  (text) => {
    expect(() => parseDurationMs(text)).toThrow(/cannot parse duration/)
  },
)

test.each([
  [0, '0s'],
  [1, '1ms'],
  [300_000, '5m'],
  [5_400_000, '1h30m'],
  [604_800_000, '1w'],
  [90 * 86_400_000, '90d'],
  [365 * 86_400_000, '1y'],
  [-15_000, '-15s'],
])('%i ms', (durationMs, want) => {
  expect(formatDurationMs(durationMs)).toBe(want)
})
