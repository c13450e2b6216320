// The calls that Grafana's Prometheus data source makes, one test each, against a running querier over a bucket.
// Specification: docs/grafana.md, which tells where in Grafana's source each call stands.
// Owns a store and a querier over the golden blocks of two replicas.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiServer, startCluster } from '../../support/cluster.ts'
import { goldenPath } from '../../support/golden.ts'

const fromSeconds = 1_700_006_400
const untilSeconds = 1_700_020_800
const range = { start: String(fromSeconds), end: String(untilSeconds) }
/** As the data source sends it from the editor. */
const limit = '40000'

let cluster: ApiServer
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mnemo-grafana-'))
  cluster = await startCluster({ bucket: goldenPath('dedup', 'bucket'), workFolder: folder })
})
afterAll(async () => {
  await cluster?.stop()
  await rm(folder, { recursive: true, force: true })
})

interface Reply {
  readonly code: number
  readonly type: string | null
  readonly status?: string
  readonly errorType?: string
  readonly error?: string
  // biome-ignore lint/suspicious/noExplicitAny: answers are compared, not worked with
  readonly data?: any
}

async function reply(response: Response): Promise<Reply> {
  const type = response.headers.get('content-type')
  return { code: response.status, type, ...((await response.json()) as object) }
}

/** The data source's own method: a form, with a header that it marks its calls with. */
async function post(endpoint: string, params: Record<string, string>): Promise<Reply> {
  const headers = { 'X-Dashboard-UID': 'mnemo-golden-signals', 'X-Panel-Id': '2' }
  const body = new URLSearchParams(params)
  return reply(await fetch(`${cluster.url}/api/v1/${endpoint}`, { method: 'POST', headers, body }))
}

async function get(endpoint: string, params: Record<string, string> = {}): Promise<Reply> {
  return reply(await fetch(`${cluster.url}/api/v1/${endpoint}?${new URLSearchParams(params)}`))
}

describe('a data source is saved and tested', () => {
  test('1+1 at the time 4', async () => {
    const { code, type, status, data } = await post('query', { query: '1+1', time: '4' })
    expect({ code, status, data }).toEqual({
      code: 200,
      status: 'success',
      data: { resultType: 'scalar', result: [4, '2'] },
    })
    expect(type).toMatch(/^application\/json/)
  })

  test('the build information, without the list of features that would make it Mimir', async () => {
    const { code, data } = await get('status/buildinfo')
    expect(code).toBe(200)
    expect(data.version).toMatch(/^\d+\.\d+\.\d+/)
    expect(data.features).toBeUndefined()
  })
})

describe('a dashboard is opened', () => {
  const query = 'sum by (cluster) (rate(r_counter_total[2m]))'

  test('a panel over a range, by POST and by GET', async () => {
    const params = { query, ...range, step: '60', timeout: '60s' }
    const answer = await post('query_range', params)
    expect(answer).toMatchObject({ code: 200, status: 'success', data: { resultType: 'matrix' } })
    expect(answer.data.result[0].metric).toEqual({ cluster: 'gold' })
    expect(answer.data.result[0].values.length).toBeGreaterThan(200)
    expect((await get('query_range', params)).data).toEqual(answer.data)
  })

  test('a stat or table at one time, with milliseconds', async () => {
    const { data } = await post('query', { query, time: `${untilSeconds - 10}.25` })
    expect(data.resultType).toBe('vector')
    expect(data.result[0].value[0]).toBe(untilSeconds - 10 + 0.25)
  })

  test('a wrong query: 400, and the same by GET, which it tries next', async () => {
    for (const ask of [post, get])
      expect(await ask('query_range', { query: 'sum(', ...range, step: '60' })).toMatchObject({
        code: 400,
        status: 'error',
        errorType: 'bad_data',
        error: expect.stringContaining('parse error'),
      })
  })

  test('a variable by label_values(metric, label)', async () => {
    const { data } = await get('label/instance/values', { ...range, 'match[]': 'r_gauge', limit })
    expect(data.length).toBeGreaterThan(0)
  })

  test('a variable by query_result(…)', async () => {
    const { data } = await post('query', { query: 'count(r_gauge)', time: String(untilSeconds) })
    expect(data.result).toHaveLength(1)
  })
})

describe('a label is completed', () => {
  test('names of labels of a metric', async () => {
    const { data } = await post('labels', { ...range, 'match[]': '{__name__="r_gauge"}', limit })
    expect(data).toEqual(expect.arrayContaining(['__name__', 'cluster', 'instance']))
  })

  test('names of metrics', async () => {
    const { data } = await get('label/__name__/values', { ...range, limit })
    expect(data).toEqual(expect.arrayContaining(['r_counter_total', 'r_gauge', 'r_only_a']))
    expect((await get('label/__name__/values', { ...range, limit: '2' })).data).toHaveLength(2)
  })

  test('names of metrics that contain what was typed', async () => {
    const { data } = await get('label/__name__/values', { ...range, 'match[]': '{__name__=~".*only.*"}', limit })
    expect(data).toEqual(expect.arrayContaining(['r_only_a']))
    expect(data).not.toContain('r_gauge')
  })

  test('a label whose name is not of the old alphabet, escaped as U__', async () => {
    expect(await get('label/U__service_2e_name/values', { ...range, limit })).toMatchObject({ code: 200, data: [] })
  })
})

describe('a query is built', () => {
  test('values of a label under the filters chosen so far', async () => {
    const { data } = await get('label/cluster/values', {
      ...range,
      'match[]': '{__name__="r_gauge",cluster=~".+"}',
      limit,
    })
    expect(data).toEqual(['gold'])
  })

  test('the series of a metric', async () => {
    const { data } = await post('series', { ...range, 'match[]': '{__name__="r_equal"}', limit })
    expect(data).toEqual([{ __name__: 'r_equal', cluster: 'gold' }])
  })
})

test('the help texts of metrics: none, where no sidecar is asked', async () => {
  const response = await fetch(`${cluster.url}/api/v1/metadata`)
  expect(response.status).toBe(200)
  expect(await response.json()).toMatchObject({ status: 'success', data: {} })
})

test.each([
  ['query_exemplars', []],
  ['rules', { groups: [] }],
])('%s: none, where no sidecar is asked', async (endpoint, data) => {
  const params = new URLSearchParams({ ...range, query: 'test' })
  const response = await fetch(`${cluster.url}/api/v1/${endpoint}?${params}`)
  expect(response.status).toBe(200)
  expect(await response.json()).toEqual({ status: 'success', data })
})
