// The routes: Thanos's parameters, what a backend finds and fails with, limits, forms, CORS, compression, a client that goes.
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { errorKinds, MnemoError } from '../../../../lib/kit/errors.ts'
import { apiOver, fakeBackend, nowMs, url } from './fake-backend.ts'

test('an instant query is passed on with its defaults', async () => {
  const backend = fakeBackend()
  const app = await apiOver(backend)
  const response = await app.inject({ url: url('/api/v1/query', { query: 'up' }) })
  expect(response.body).toBe('{"status":"success","data":{"resultType":"vector","result":[]}}')
  expect(backend.queries).toEqual([
    {
      scope: { replicaLabels: ['replica'], partialResponse: true, storeMatchers: [] },
      query: 'up',
      startMs: nowMs,
      endMs: nowMs,
      stepMs: 0,
      maxSourceResolutionMs: 0,
      limit: 0,
    },
  ])
})

test("Thanos's parameters choose replicas, stores and resolution", async () => {
  const backend = fakeBackend()
  const app = await apiOver(backend)
  const range = { query: 'up', start: '0', end: '600', step: '60' }
  const asked = [
    { dedup: 'false' },
    { 'replicaLabels[]': ['a', 'b'] },
    { partial_response: '0' },
    { 'storeMatch[]': ['{__address__="x:1"}', '{__address__=~"y.*"}'] },
    { max_source_resolution: 'auto' },
    { max_source_resolution: '5m' },
    { lookback_delta: '90s', timeout: '1.5', limit: '7' },
  ]
  for (const params of asked) await app.inject({ url: url('/api/v1/query_range', { ...range, ...params }) })
  const [plain, replicas, strict, stores, auto, five, timing] = backend.queries
  expect(plain!.scope.replicaLabels).toEqual([])
  expect(replicas!.scope.replicaLabels).toEqual(['a', 'b'])
  expect(strict!.scope.partialResponse).toBe(false)
  expect(stores!.scope.storeMatchers).toEqual([
    [{ type: '=', name: '__address__', value: 'x:1' }],
    [{ type: '=~', name: '__address__', value: 'y.*' }],
  ])
  expect(auto!.maxSourceResolutionMs).toBe(12_000)
  expect(five!.maxSourceResolutionMs).toBe(300_000)
  expect(timing).toMatchObject({ lookbackMs: 90_000, timeoutMs: 1500, limit: 7, stepMs: 60_000, endMs: 600_000 })
})

test.each([
  [{ dedup: 'maybe' }, `'dedup' parameter: strconv.ParseBool: parsing "maybe": invalid syntax`],
  [{ partial_response: 'x' }, `'partial_response' parameter: strconv.ParseBool: parsing "x": invalid syntax`],
  [{ max_source_resolution: 'x' }, `'max_source_resolution' parameter: cannot parse "x" to a valid duration`],
  [{ max_source_resolution: '-1' }, `negative 'max_source_resolution' is not accepted. Try a positive integer`],
  [{ 'storeMatch[]': '{' }, '1:2: parse error: unexpected end of input inside braces'],
])('%o is refused', async (params, error) => {
  const app = await apiOver(fakeBackend())
  const response = await app.inject({ url: url('/api/v1/query', { query: 'up', ...params }) })
  expect(response.statusCode).toBe(400)
  expect(response.json()).toEqual({ status: 'error', errorType: 'bad_data', error })
})

test('bytes that are no UTF-8 are shown as every encoder of JSON shows them', async () => {
  const backend = fakeBackend()
  backend.result = { type: 'string', timeMs: 0, value: '\udcff', warnings: [], infos: [] }
  const response = await (await apiOver(backend)).inject({ url: url('/api/v1/query', { query: '"\\xff"' }) })
  expect(response.json().data.result).toEqual([0, '\ufffd'])
  const parsed = await (await apiOver(backend)).inject({
    url: url('/api/v1/parse_query', { query: '{"a\\xff"="\\xfe"}' }),
  })
  expect(parsed.json().data.matchers).toEqual([{ name: 'a\ufffd', type: '=', value: '\ufffd' }])
})

test('every error code has its type and status', async () => {
  const types: string[] = []
  for (const code of Object.keys(errorKinds) as (keyof typeof errorKinds)[]) {
    const backend = { ...fakeBackend(), query: async () => Promise.reject(new MnemoError(code, 'why')) }
    const response = await (await apiOver(backend)).inject({ url: url('/api/v1/query', { query: 'up' }) })
    expect(response.headers['cache-control']).toBe('no-store')
    const { status, errorType, error } = response.json()
    expect({ status, error }).toEqual({ status: 'error', error: 'why' })
    types.push(`${code} ${response.statusCode} ${errorType}`)
  }
  expect(types).toEqual([
    'bad_data 400 bad_data',
    'config 500 internal',
    'execution 422 execution',
    'unsupported 422 execution',
    'timeout 503 timeout',
    'canceled 499 canceled',
    'not_found 404 not_found',
    'already_exists 409 internal',
    'resource_exhausted 422 execution',
    'unavailable 503 unavailable',
    'corrupt 500 internal',
    'internal 500 internal',
  ])
})

test('warnings and infos follow the data, at most ten of each', async () => {
  const backend = fakeBackend()
  const infos = Array.from({ length: 12 }, (_, i) => `info ${i}`)
  backend.result = { type: 'scalar', timeMs: 1500, value: 1e21, warnings: ['w'], infos }
  const response = await (await apiOver(backend)).inject({ url: url('/api/v1/query', { query: '1', stats: 'yes' }) })
  const answer = response.json()
  expect(Object.keys(answer)).toEqual(['status', 'data', 'warnings', 'infos'])
  expect(answer.data.result).toEqual([1.5, '1000000000000000000000'])
  expect(answer.data.stats.timings.execTotalTime).toBeGreaterThanOrEqual(0)
  expect(answer.warnings).toEqual([
    'w',
    'value "yes" for parameter "stats" is deprecated and will be rejected in the next major release, use "true" or "all"',
  ])
  expect(answer.infos).toHaveLength(11)
  expect(answer.infos[10]).toBe('2 more info annotations omitted')
  expect(response.headers['cache-control']).toBe('no-store')
})

test('look-ups ask for one more than the limit, and say where they cut', async () => {
  const backend = fakeBackend()
  backend.names = ['a', 'b', 'c']
  backend.labelSets = [
    ['__name__', 'up', 'é', '"'],
    ['__name__', 'up2'],
  ]
  const app = await apiOver(backend)
  const get = async (path: string, params: Record<string, string>) =>
    (await app.inject({ url: url(path, params) })).json()
  expect(await get('/api/v1/labels', { limit: '2', start: '1', end: '2.5', 'match[]': 'up' })).toEqual({
    status: 'success',
    data: ['a', 'b'],
    warnings: ['results truncated due to limit'],
  })
  expect(await get('/api/v1/label/U__c_2e_d/values', { limit: '3' })).toEqual({
    status: 'success',
    data: ['a', 'b', 'c'],
  })
  expect(await get('/api/v1/series', { 'match[]': '{a="b"}', limit: '1' })).toEqual({
    status: 'success',
    data: [{ __name__: 'up', é: '"' }],
    warnings: ['results truncated due to limit'],
  })
  expect(backend.lookups).toMatchObject([
    { limit: 3, minTime: 1000, maxTime: 2500, matcherSets: [[{ name: '__name__', value: 'up' }]] },
    { limit: 4, label: 'c.d', minTime: -Number.MAX_SAFE_INTEGER, maxTime: Number.MAX_SAFE_INTEGER, matcherSets: [] },
    { limit: 2, matcherSets: [[{ name: 'a', value: 'b' }]] },
  ])
})

test('look-ups without a start go back as far as configured', async () => {
  const backend = fakeBackend()
  const app = await apiOver(backend, { metadataRangeMs: 3_600_000 })
  await app.inject({ url: '/api/v1/labels' })
  expect(backend.lookups[0]).toMatchObject({ minTime: nowMs - 3_600_000, maxTime: nowMs })
})

test('a form counts before the query string; other bodies are ignored', async () => {
  const backend = fakeBackend()
  const app = await apiOver(backend)
  const post = (type: string, payload: string) =>
    app.inject({ method: 'POST', url: '/api/v1/query?query=up&time=2', payload, headers: { 'content-type': type } })
  await post('application/x-www-form-urlencoded', 'query=sum%28a%29+%2B+1')
  await post('application/json', '{"query":"down"}')
  expect(backend.queries.map(({ query, startMs }) => [query, startMs])).toEqual([
    ['sum(a) + 1', 2000],
    ['up', 2000],
  ])
})

test('a pair that Go would not read is none', async () => {
  const backend = fakeBackend()
  const app = await apiOver(backend)
  for (const pair of ['query=%zz', 'query=a;b=1', 'query=%4'])
    await app.inject({ method: 'GET', url: `/api/v1/query?${pair}&query=up&time=2` })
  expect(backend.queries.map(({ query }) => query)).toEqual(['up', 'up', 'up'])
})

test.each([
  ['PUT', '/api/v1/query', 'GET, OPTIONS, POST'],
  ['HEAD', '/api/v1/query?query=up', 'GET, OPTIONS, POST'],
  ['POST', '/api/v1/label/job/values', 'GET, OPTIONS'],
  ['DELETE', '/api/v1/status/flags', 'GET, OPTIONS'],
] as const)('%s of %s is not allowed', async (method, path, allowed) => {
  const app = await apiOver(fakeBackend())
  const { statusCode, headers, body } = await app.inject({ method, url: path })
  expect({ statusCode, allow: headers.allow, body }).toEqual({
    statusCode: 405,
    allow: allowed,
    body: method === 'HEAD' ? '' : 'Method Not Allowed\n',
  })
})

test('an empty label name is none, also where it is escaped', async () => {
  const app = await apiOver(fakeBackend())
  const response = await app.inject({ url: '/api/v1/label/U__/values' })
  expect(response.json()).toEqual({ status: 'error', errorType: 'bad_data', error: 'invalid label name: ""' })
})

test.each([
  [
    '0.0001',
    'exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)',
  ],
  [
    '0',
    'invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer',
  ],
])('a step of %s is refused', async (step, error) => {
  const app = await apiOver(fakeBackend())
  const response = await app.inject({ url: url('/api/v1/query_range', { query: '1', start: '0', end: '60', step }) })
  expect(response.json()).toEqual({ status: 'error', errorType: 'bad_data', error })
})

test('pages of other origins may ask, unless that is off', async () => {
  const app = await apiOver(fakeBackend())
  const response = await app.inject({ method: 'OPTIONS', url: '/api/v1/query' })
  expect(response.statusCode).toBe(204)
  expect(response.headers['access-control-allow-origin']).toBe('*')
  const closed = await apiOver(fakeBackend(), { cors: false })
  expect((await closed.inject({ url: '/api/v1/status/flags' })).headers).not.toHaveProperty(
    'access-control-allow-origin',
  )
})

test('long answers are compressed where the client takes it', async () => {
  const backend = fakeBackend()
  backend.names = Array.from({ length: 500 }, (_, i) => `label_${i}`)
  const app = await apiOver(backend)
  const get = (encoding: string) => app.inject({ url: '/api/v1/labels', headers: { 'accept-encoding': encoding } })
  const zipped = await get('br, gzip')
  expect(zipped.headers['content-encoding']).toBe('gzip')
  expect(JSON.parse(gunzipSync(zipped.rawPayload).toString()).data).toEqual(backend.names)
  expect((await get('deflate')).headers['content-encoding']).toBe('deflate')
  for (const encoding of ['', 'identity', 'gzip;q=0'])
    expect((await get(encoding)).headers).not.toHaveProperty('content-encoding')
})

test('status pages and stores', async () => {
  const app = await apiOver(fakeBackend())
  const data = async (path: string) => (await app.inject({ url: path })).json().data
  expect(await data('/api/v1/status/flags')).toEqual({ 'query.timeout': '2m' })
  expect(await data('/api/v1/status/buildinfo')).toHaveProperty('version')
  expect(await data('/api/v1/status/runtimeinfo')).toHaveProperty('startTime', new Date(nowMs).toISOString())
  expect((await data('/api/v1/stores')).store[0]).toMatchObject({ name: 'store:10901', labelSets: [{ replica: 'a' }] })
})

test('a client that goes cancels its query', async () => {
  const canceled = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  const app = await apiOver({
    ...fakeBackend(),
    query: (_request, signal) => {
      signal.addEventListener('abort', () => canceled.resolve())
      asked.resolve()
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new MnemoError('canceled', 'gone'))),
      )
    },
  })
  const address = await app.listen({ port: 0, host: '127.0.0.1' })
  const client = new AbortController()
  const answer = fetch(`${address}/api/v1/query?query=up`, { signal: client.signal })
  await asked.promise
  client.abort()
  await expect(answer).rejects.toThrow()
  await canceled.promise
  await app.close()
})

test('active queries are listed in seconds and ended by id', async () => {
  const backend = fakeBackend()
  const app = await apiOver(backend)
  const path = '/api/v1/status/active_queries'
  expect((await app.inject({ url: path })).json().data).toEqual([
    { id: '7', state: 'running', query: 'up', start: 0, end: 60, step: 15, ageSeconds: 1.5, series: 3, bytes: 999 },
  ])
  expect((await app.inject({ method: 'DELETE', url: `${path}/7` })).json()).toEqual({ status: 'success', data: null })
  expect(backend.ended).toEqual(['7'])
  const missing = await app.inject({ method: 'DELETE', url: `${path}/8` })
  expect(missing.statusCode).toBe(404)
  expect(missing.json()).toMatchObject({ errorType: 'not_found' })
})
