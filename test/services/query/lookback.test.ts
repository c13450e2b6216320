// How far back a query looks, as a table.
import { expect, test } from 'vitest'
import { queryLookbackMs } from '../../../services/query/lookback.ts'

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const nowMs = 1_700_000_000_000
const config = { lookbackMs: 5 * minuteMs, dynamicLookback: true }
const longAgo = { stepMs: 0, endMs: nowMs - 48 * hourMs, maxSourceResolutionMs: hourMs }

test.each([
  ['an hour where data of an hour may answer', longAgo, config, hourMs],
  ['raw samples alone', { ...longAgo, maxSourceResolutionMs: 0 }, config, 5 * minuteMs],
  ['as the request says', { ...longAgo, lookbackMs: minuteMs }, config, minuteMs],
  ['as the flag says', longAgo, { ...config, dynamicLookback: false }, 5 * minuteMs],
  ['an instant query of now', { ...longAgo, endMs: nowMs }, config, 5 * minuteMs],
  ['a panel up to now', { ...longAgo, endMs: nowMs, stepMs: 5 * hourMs }, config, hourMs],
])('%s', (_name, request, flags, want) => {
  expect(queryLookbackMs(request, flags, nowMs)).toBe(want)
})
