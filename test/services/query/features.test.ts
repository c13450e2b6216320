// --enable-feature: Prometheus's names, what they mean, and what a name that is none does.
import { expect, test } from 'vitest'
import { readFeatures } from '../../../services/query/features.ts'
import { apiOver, fakeBackend, url } from './api/fake-backend.ts'

test('each name turns on its own', () => {
  // As in Prometheus 3.14, where durations are computed without a flag.
  expect(readFeatures([])).toEqual({ durationExpressions: true })
  expect(readFeatures(['promql-duration-expr', 'promql-delayed-name-removal'])).toEqual({
    durationExpressions: true,
    delayedNameRemoval: true,
  })
  expect(() => readFeatures(['promql-durations'])).toThrow(
    'flag --enable-feature: got "promql-durations", want any of ',
  )
})

test('the API takes the syntax of the features that are on, and refuses durations that the times make wrong', async () => {
  const ask = async (query: string, syntax: object) => {
    const app = await apiOver(fakeBackend(), { syntax })
    const range = { start: '0', end: '600', step: '60' }
    return (await app.inject({ url: url('/api/v1/query_range', { query, ...range }) })).json()
  }
  const on = readFeatures(['promql-duration-expr'])
  expect((await ask('rate(up[step() * 4])', on)).status).toBe('success')
  expect((await ask('rate(up[step() * 4])', {})).error).toContain('experimental duration expression is not enabled')
  expect(await ask('rate(up[step() - 60])', on)).toMatchObject({
    errorType: 'bad_data',
    error: 'invalid parameter "query": 8:19: duration must be greater than 0',
  })
  expect((await ask('rate(up[5m % (step() - 60)])', on)).error).toBe('invalid parameter "query": 8:25: modulo by zero')
  expect((await ask('up[step() - 60]', on)).error).toBe(
    'invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector',
  )
})
