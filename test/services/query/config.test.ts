// The querier's flags: Thanos's defaults, lists, and what is refused.
import { describe, expect, test } from 'vitest'
import { parseFlags } from '../../../lib/kit/flags.ts'
import { checkFlags, flags } from '../../../services/query/config.ts'

function parsed(...argv: string[]) {
  return checkFlags(parseFlags('query', '', flags, argv))
}

test("the defaults are Thanos's", () => {
  expect(parsed()).toMatchObject({
    endpoint: [],
    replicaLabels: [],
    dedupFunction: 'penalty',
    timeoutMs: 120_000,
    maxConcurrent: 20,
    lookbackDeltaMs: 300_000,
    defaultEvaluationIntervalMs: 60_000,
    partialResponse: true,
    responseTimeoutMs: 0,
    unhealthyTimeoutMs: 300_000,
    httpAddress: '0.0.0.0:10902',
  })
})

test('replica labels come repeated or as a list', () => {
  expect(parsed('--query.replica-label=a,b', '--query.replica-label', 'c', '--query.replica-label=b')).toMatchObject({
    replicaLabels: ['a', 'b', 'c'],
  })
})

test('partial response is turned off by --no-query.partial-response', () => {
  expect(parsed('--no-query.partial-response').partialResponse).toBe(false)
})

describe('endpoints', () => {
  test.each(['127.0.0.1:10901', 'store.example:10901', '[::1]:10901'])('%s', (address) => {
    expect(parsed('--endpoint', address).endpoint).toEqual([address])
  })

  test.each([
    ['dns+store', 'cannot read address: got "dns+store", want dns+host:port'],
    [
      'http://store:10901',
      'flag --endpoint: got "http://store:10901", want host:port, or dns+host:port, dnssrv+name, dnssrvnoa+name',
    ],
    ['store', 'flag --endpoint: got "store", want host:port, or dns+host:port, dnssrv+name, dnssrvnoa+name'],
    ['store:0', 'flag --endpoint: got "store:0", want host:port, or dns+host:port, dnssrv+name, dnssrvnoa+name'],
    [
      'store:70000',
      'flag --endpoint: got "store:70000", want host:port, or dns+host:port, dnssrv+name, dnssrvnoa+name',
    ],
  ])('%s is refused', (address, message) => {
    expect(() => parsed('--endpoint', address)).toThrowError(expect.objectContaining({ code: 'config', message }))
  })
})

test.each([
  ['--query.max-concurrent=0', 'flag --query.max-concurrent: got 0, want at least 1'],
  ['--query.workers=0', 'flag --query.workers: got 0, want at least 1'],
  ['--query.timeout=0s', 'flag --query.timeout: got 0, want at least 1'],
])('%s is refused', (flag, message) => {
  expect(() => parsed(flag)).toThrowError(expect.objectContaining({ code: 'config', message }))
})
