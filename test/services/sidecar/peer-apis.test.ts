// Rules, alerts, targets, exemplars and TSDB statistics from a real Prometheus through the sidecar and the querier: what
// Prometheus's own API says, under the external labels. Where THANOS names an executable, by way of its sidecar and querier too.
// Owns the processes.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startMnemo } from '../../support/cluster.ts'
import { freePorts } from '../../support/free-port.ts'
import { TestProcess } from '../../support/process.ts'
import {
  type Exposition,
  openMetricsType,
  type Prometheus,
  preferPrometheus,
  prometheusApi,
  startExposition,
  startPrometheusOver,
  whyNoPrometheus,
} from '../../support/prometheus.ts'

const { THANOS: thanosCommand = '', PROMETHEUS } = process.env
if (PROMETHEUS) preferPrometheus(PROMETHEUS)
const reason = whyNoPrometheus('rules, targets and exemplars through sidecar and querier')
if (reason !== undefined) console.log(reason)
const withThanos = reason === undefined && thanosCommand !== ''
if (reason === undefined && !withThanos)
  console.log("left out: rules, targets and exemplars through Thanos's sidecar and querier (THANOS names none)")

const rules = {
  groups: [
    {
      name: 'second',
      interval: '1s',
      limit: 5,
      rules: [
        { record: 'z:temperature', expr: 'sum(temperature_total)', labels: { team: 'x' } },
        { record: 'a:temperature', expr: 'avg(temperature_total)', labels: { cluster: 'own' } },
        {
          alert: 'Hot',
          expr: 'temperature_total > 20',
          labels: { severity: 'page' },
          annotations: { summary: 'at {{ $value }}' },
        },
        { alert: 'Late', expr: 'temperature_total > 20', for: '1h', keep_firing_for: '5m' },
        { alert: 'Never', expr: 'temperature_total < 0' },
      ],
    },
    {
      name: 'first',
      interval: '1s',
      rules: [{ record: 'broken', expr: 'temperature_total * on() temperature_total' }],
    },
  ],
}

/** What differs from evaluation to evaluation. */
const volatile = new Set([
  ...['evaluationTime', 'lastEvaluation', 'activeAt', 'lastScrape', 'lastScrapeDuration', 'lastError'],
])
/** What is Thanos's alone. */
const ofThanos = new Set(['partialResponseStrategy'])
/** What Thanos does not carry. */
const ofPrometheus = new Set(['scrapePool', 'scrapeInterval', 'scrapeTimeout', 'droppedTargetCounts'])

/** Volatile values as one word, and the fields of `left` out. */
function settled(value: unknown, left: ReadonlySet<string> = ofThanos): unknown {
  if (Array.isArray(value)) return value.map((one) => settled(one, left))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => !left.has(key))
  return Object.fromEntries(entries.map(([key, one]) => [key, volatile.has(key) ? 'some' : settled(one, left)]))
}

/** Lists in one order: Thanos's own differ from run to run. */
function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, one]) => [key, ordered(one)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** Every `labels`, `seriesLabels` and `discoveredLabels` of rules, targets and series with the external ones. */
function enriched(value: unknown, external: Record<string, string>): unknown {
  if (Array.isArray(value)) return value.map((one) => enriched(one, external))
  if (typeof value !== 'object' || value === null) return value
  const isExemplar = 'timestamp' in value
  const isAlert = 'activeAt' in value
  // An old Prometheus leaves out labels that are none.
  const whole = 'type' in value ? { labels: {}, ...value } : value
  return Object.fromEntries(
    Object.entries(whole).map(([key, one]) => {
      const isSet = ['labels', 'seriesLabels', 'discoveredLabels'].includes(key) && !isExemplar && !isAlert
      return [key, isSet ? { ...(one as object), ...external } : enriched(one, external)]
    }),
  )
}

describe.skipIf(reason !== undefined)('through sidecar and querier', () => {
  let folder: string
  let exposition: Exposition
  let prometheus: Prometheus
  const processes: TestProcess[] = []
  /** Queriers by name; the first is ours over ours. */
  const queriers = new Map<string, string>()

  async function start(starting: Promise<TestProcess>, http: number): Promise<void> {
    const process = await starting
    processes.push(process)
    await process.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
  }

  const listen = (grpc: number, http: number) => [
    `--grpc-address=127.0.0.1:${grpc}`,
    `--http-address=127.0.0.1:${http}`,
  ]
  const thanos = (args: readonly string[]) => TestProcess.start({ command: thanosCommand, args })

  async function startBoth(of: 'mnemo' | 'thanos', overThem: readonly ('mnemo' | 'thanos')[]): Promise<void> {
    const [grpc, http] = (await freePorts(2)) as [number, number]
    const run = { mnemo: startMnemo, thanos }
    const sidecar = ['sidecar', `--prometheus.url=${prometheus.url}`, `--tsdb.path=${path.join(folder, 'data')}`]
    await start(run[of]([...sidecar, ...listen(grpc, http)]), http)
    for (const name of overThem) {
      const [queryGrpc, queryHttp] = (await freePorts(2)) as [number, number]
      const query = ['query', `--endpoint=127.0.0.1:${grpc}`, '--query.replica-label=replica']
      await start(run[name]([...query, ...listen(queryGrpc, queryHttp)]), queryHttp)
      queriers.set(`${name} over ${of}`, `http://127.0.0.1:${queryHttp}`)
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mnemo-peer-apis-'))
    const ruleFile = path.join(folder, 'rules.yml')
    await writeFile(ruleFile, JSON.stringify(rules))
    const lines = ['a', 'b'].map(
      (room) => `temperature_total{room="${room}"} 21 # {trace_id="${room}"} 21 1700000000\n`,
    )
    const text = `# TYPE temperature counter\n${lines.join('')}# TYPE level gauge\nlevel 1\n# EOF\n`
    exposition = await startExposition(() => text, openMetricsType)
    prometheus = await startPrometheusOver({
      data: path.join(folder, 'data'),
      externalLabels: { cluster: 'x', replica: 'a' },
      targets: [exposition.address, '127.0.0.1:1'],
      ruleFiles: [ruleFile],
      args: ['--enable-feature=exemplar-storage'],
    })
    await startBoth('mnemo', withThanos ? ['mnemo', 'thanos'] : ['mnemo'])
    if (withThanos) await startBoth('thanos', ['mnemo', 'thanos'])
    await vi.waitFor(
      async () => {
        const alerts = await prometheus.api<{ alerts: { state: string }[] }>('alerts')
        expect(alerts.alerts.map(({ state }) => state).sort()).toEqual(['firing', 'firing', 'pending', 'pending'])
        expect(await prometheus.api<unknown[]>('query_exemplars', exemplarQuery)).toHaveLength(2)
        const { groups } = await prometheus.api<{ groups: { rules: { health: string }[] }[] }>('rules')
        expect(groups[0]!.rules[0]!.health).toBe('err')
        const { activeTargets } = await prometheus.api<{ activeTargets: { health: string }[] }>('targets')
        expect(activeTargets.map(({ health }) => health).sort()).toEqual(['down', 'up'])
      },
      { timeout: 20_000, interval: 200 },
    )
  }, 60_000)
  afterAll(async () => {
    await Promise.all(processes.map((process) => process.stop()))
    await prometheus?.stop()
    await exposition?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const exemplarQuery = { query: 'rate(temperature_total[1m])', start: '0', end: '9999999999' }
  const ask = <T>(api: string, params: Record<string, string> = {}, name = 'mnemo over mnemo') =>
    prometheusApi<T>(queriers.get(name)!, api, params)

  const calls: [string, Record<string, string>][] = [
    ['rules', {}],
    ['rules', { type: 'record' }],
    ['alerts', {}],
    ['query_exemplars', exemplarQuery],
  ]

  test.each(calls)('%s %o: what Prometheus says', async (api, params) => {
    const want = enriched(await prometheus.api(api, params), { cluster: 'x' })
    // Prometheus has alerts in any order.
    expect(ordered(settled(await ask(api, params)))).toEqual(ordered(settled(want)))
  })

  test('the order of groups and of the rules in them is that of Prometheus', async () => {
    interface Rules {
      readonly groups: { readonly name: string; readonly rules: { readonly name: string }[] }[]
    }
    const names = ({ groups }: Rules) => groups.map(({ name, rules: of }) => [name, ...of.map((rule) => rule.name)])
    expect(names(await ask('rules'))).toEqual(names(await prometheus.api('rules')))
  })

  test('targets: what Prometheus says, by address', async () => {
    interface Targets {
      readonly activeTargets: { readonly scrapeUrl: string; readonly scrapePool: string; readonly health: string }[]
    }
    const want = enriched(await prometheus.api('targets'), { cluster: 'x' })
    const got = await ask<Targets>('targets')
    expect(ordered(settled(got))).toMatchObject(ordered(settled(want)) as object)
    expect(got.activeTargets.map(({ scrapePool, health }) => `${scrapePool} ${health}`).sort()).toEqual(['test down', 'test up']) // biome-ignore format: one line
    const { activeTargets } = await ask<Targets>('targets', { scrapePool: 'other' })
    expect(activeTargets).toEqual([])
    expect(await ask('scrape_pools')).toEqual({ scrapePools: ['test'] })
  })

  test('choices, pages, and rules without their alerts, which an old Prometheus cannot make', async () => {
    interface Groups {
      readonly groups: {
        readonly name: string
        readonly rules: { readonly name: string; readonly alerts?: unknown }[]
      }[]
      readonly groupNextToken?: string
    }
    const namesOf = ({ groups }: Groups) => groups.map(({ name, rules: of }) => [name, ...of.map((rule) => rule.name)])
    expect(namesOf(await ask('rules', { 'rule_name[]': 'Hot' }))).toEqual([['second', 'Hot']])
    expect(namesOf(await ask('rules', { 'rule_group[]': 'first' }))).toEqual([['first', 'broken']])
    expect(namesOf(await ask('rules', { 'match[]': '{cluster="x",team="x"}' }))).toEqual([['second', 'z:temperature']])
    expect((await ask<Groups>('rules', { 'file[]': '/other' })).groups).toEqual([])
    const page = await ask<Groups>('rules', { group_limit: '1' })
    expect(namesOf(page)).toEqual([['first', 'broken']])
    const rest = await ask<Groups>('rules', { group_limit: '1', group_next_token: page.groupNextToken! })
    expect(rest.groups.map(({ name }) => name)).toEqual(['second'])
    expect(rest.groupNextToken).toBeUndefined()
    const { groups } = await ask<Groups>('rules', { 'rule_name[]': 'Hot', exclude_alerts: 'true' })
    expect(groups[0]!.rules[0]!.alerts).toBeNull()
  })

  test('status/tsdb: the counts that Prometheus has; which of equal ones it lists is chance', async () => {
    const lists = (status: Record<string, { value: number }[] & object>) =>
      Object.entries(status).map(([name, list]) => [
        name,
        Array.isArray(list) ? list.map(({ value }) => value) : 'head',
      ])
    const got = await ask<Record<string, { value: number }[]>>('status/tsdb')
    expect(lists(got)).toEqual(lists(await prometheus.api('status/tsdb')))
    expect(got.headStats).toMatchObject({ numSeries: expect.any(Number), minTime: expect.any(Number) })
    expect((await ask<Record<string, unknown[]>>('status/tsdb', { limit: '2' })).seriesCountByMetricName).toHaveLength(
      2,
    )
  })

  test('the replica label is there where dedup is off', async () => {
    const [series] = await ask<{ seriesLabels: object }[]>('query_exemplars', { ...exemplarQuery, dedup: 'false' })
    expect(series!.seriesLabels).toMatchObject({ cluster: 'x', replica: 'a' })
  })

  test('selectors over external labels choose the Prometheus', async () => {
    const select = (query: string) => ask<unknown[]>('query_exemplars', { ...exemplarQuery, query })
    expect(await select('{cluster="x",room=~"a|b"}')).toHaveLength(2)
    expect(await select('temperature_total{cluster="y"}')).toEqual([])
  })

  test.runIf(withThanos)(
    'the same through Thanos, both ways',
    async () => {
      expect([...queriers.keys()].sort()).toEqual(['mnemo over mnemo', 'mnemo over thanos', 'thanos over mnemo', 'thanos over thanos']) // biome-ignore format: one line
      for (const name of queriers.keys())
        for (const [api, params] of [...calls, ['targets', {}]] as const) {
          const isEmptyAlike = api === 'rules' && 'type' in params
          if (isEmptyAlike) continue // Thanos keeps groups that are left without rules, where Prometheus 2 sends them
          // The querier may not have asked its sidecar for Info as yet.
          await vi.waitFor(async () => {
            const left = new Set(api === 'targets' ? ofPrometheus : [])
            const want = ordered(settled(await ask(api, params), left))
            expect({ name, api, data: ordered(settled(await ask(api, params, name), left)) }).toEqual({
              name,
              api,
              data: want,
            })
          }, 15_000)
        }
    },
    30_000,
  )
})
