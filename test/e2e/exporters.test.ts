// Debian's node exporter and Pushgateway behind two real Prometheus replicas, sidecars and a querier: what is scraped and what is
// pushed is there once, with the labels that honor_labels says, and with one replica stopped nothing is missing but freshness.
// Owns every process, ended in afterAll.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startMnemo } from '../support/cluster.ts'
import { freePorts } from '../support/free-port.ts'
import { TestProcess } from '../support/process.ts'
import {
  type Matrix,
  type Prometheus,
  prometheusApi,
  startPrometheusOver,
  whyNoPrometheus,
} from '../support/prometheus.ts'

const commands = ['prometheus', 'prometheus-node-exporter', 'prometheus-pushgateway']
const reason = whyNoPrometheus('exporter and Pushgateway', commands)
if (reason !== undefined) console.log(reason)

interface Vector {
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>
    readonly value: readonly [number, string]
  }[]
}

describe.skipIf(reason !== undefined)('exporter and Pushgateway behind two replicas', () => {
  const running: TestProcess[] = []
  let folder: string
  let gateway: string
  let url: string
  let replicas: Prometheus[]

  const local = (port: number) => `127.0.0.1:${port}`
  async function start(command: string, address: string, args: readonly string[] = []): Promise<void> {
    const process = await TestProcess.start({ command, args: [`--web.listen-address=${address}`, ...args] })
    running.push(process)
    await process.waitForHttp(`http://${address}/metrics`)
  }

  /** A metric in the exposition format, under labels of its group. */
  async function push(group: string, text: string): Promise<void> {
    const response = await fetch(`http://${gateway}/metrics/${group}`, { method: 'PUT', body: `${text}\n` })
    expect(response.status, await response.text()).toBe(200)
  }

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'exporters-'))
    const [node, push, sidecarA, httpA, sidecarB, httpB, http] = (await freePorts(7)) as [number, number, number, number, number, number, number] // biome-ignore format: one line
    gateway = local(push)
    await Promise.all([
      start('prometheus-node-exporter', local(node), ['--collector.disable-defaults', '--collector.loadavg', '--collector.time', '--collector.uname']), // biome-ignore format: one line
      start('prometheus-pushgateway', gateway),
    ])
    const jobOf = (job_name: string, target: string, honor_labels: boolean) => ({ job_name, honor_labels, static_configs: [{ targets: [target] }] }) // biome-ignore format: one line
    const scrapeConfigs = [
      jobOf('node', local(node), false),
      jobOf('honored', gateway, true),
      jobOf('exported', gateway, false),
    ]
    const replica = async (name: string, grpc: number, sidecarHttp: number) => {
      const data = path.join(folder, name)
      const prometheus = await startPrometheusOver({
        data,
        externalLabels: { cluster: 'e2e', replica: name },
        scrapeConfigs,
      })
      const sidecar = await startMnemo([
        'sidecar',
        `--prometheus.url=${prometheus.url}`,
        `--tsdb.path=${data}`,
        `--grpc-address=${local(grpc)}`,
        `--http-address=${local(sidecarHttp)}`,
        '--prometheus.get_config_interval=1s',
      ])
      running.push(sidecar)
      await sidecar.waitForHttp(`http://${local(sidecarHttp)}/-/ready`)
      return prometheus
    }
    replicas = await Promise.all([replica('a', sidecarA, httpA), replica('b', sidecarB, httpB)])
    const querier = await startMnemo([
      'query',
      `--endpoint=${local(sidecarA)}`,
      `--endpoint=${local(sidecarB)}`,
      `--http-address=${local(http)}`,
      '--grpc-address=127.0.0.1:0',
      '--query.replica-label=replica',
    ])
    running.push(querier)
    url = `http://${local(http)}`
    await querier.waitForHttp(`${url}/-/ready`)
  }, 90_000)

  afterAll(async () => {
    for (const process of running.reverse()) await process.stop()
    await Promise.all((replicas ?? []).map((replica) => replica.stop()))
    if (folder) await rm(folder, { recursive: true })
  })

  const labelsOf = async (query: string, params: Record<string, string> = {}) => {
    const { result } = await prometheusApi<Vector>(url, 'query', { query, ...params })
    return result.map(({ metric }) => metric)
  }

  test('what the exporter says is there once, and once a replica without deduplication', async () => {
    await expect
      .poll(async () => (await labelsOf('node_load1', { dedup: 'false' })).length, { timeout: 20_000 })
      .toBe(2)
    const labels = { __name__: 'node_load1', cluster: 'e2e', job: 'node', instance: expect.any(String) }
    expect(await labelsOf('node_load1')).toEqual([labels])
    expect((await labelsOf('node_load1', { dedup: 'false' })).map(({ replica }) => replica).sort()).toEqual(['a', 'b'])
  })

  test('a pushed metric has its own labels where they are honored, and exported_ ones where not', async () => {
    await push('job/backup/instance/db-1', 'last_success_seconds{cluster="mine", replica="pushed", kind="full"} 42')
    const find = (more: Record<string, string> = {}) => labelsOf('last_success_seconds', more)
    await expect.poll(async () => (await find({ dedup: 'false' })).length, { timeout: 20_000 }).toBe(4)
    const pushed = { __name__: 'last_success_seconds', kind: 'full' }
    // External labels win over a series' own, and what was lost so was never told apart by it.
    const honored = { ...pushed, job: 'backup', instance: 'db-1', cluster: 'e2e' }
    const exported = {
      ...pushed,
      job: 'exported',
      instance: gateway,
      exported_job: 'backup',
      exported_instance: 'db-1',
      cluster: 'e2e',
    }
    const ordered = (found: readonly object[]) =>
      [...found].sort((a, b) => JSON.stringify(a).length - JSON.stringify(b).length)
    expect(ordered(await find())).toEqual([honored, exported])
    for (const name of ['a', 'b'])
      expect(ordered(await labelsOf(`last_success_seconds{replica="${name}"}`))).toEqual([honored, exported])
    expect(await labelsOf('last_success_seconds{replica="pushed"}')).toEqual([])
    expect((await find({ dedup: 'false' })).map(({ replica }) => replica).sort()).toEqual(['a', 'a', 'b', 'b'])
  })

  test('series that differ by a label of their own that the external one covers do not mix silently into others', async () => {
    await push('job/one', 'shared{cluster="x", n="1"} 1')
    await push('job/two', 'shared{cluster="y", n="2"} 2')
    await expect.poll(async () => (await labelsOf('shared{exported_job=""}')).length, { timeout: 20_000 }).toBe(2)
    const { result } = await prometheusApi<Vector>(url, 'query', {
      query: 'sum by (n, cluster) (shared{exported_job=""})',
    })
    const values = result.map(({ metric, value }) => [metric.n, metric.cluster, value[1]])
    expect(values.sort()).toEqual([
      ['1', 'e2e', '1'],
      ['2', 'e2e', '2'],
    ])
  })

  test('one replica stopped: every answer stays, but for what it alone could have scraped since', async () => {
    const selectors = ['node_load1', 'last_success_seconds', 'shared', 'up', 'rate(node_cpu_seconds_total[10s])', 'count by (job) (up)'] // biome-ignore format: one line
    // By then both have scraped what was pushed last.
    await sleep(9_000)
    const atMs = Date.now() - 3_000
    const answer = async () => {
      const times = { start: String((atMs - 4_000) / 1000), end: String(atMs / 1000), step: '1' }
      return Promise.all(
        selectors.map(async (query) => {
          const { result } = await prometheusApi<Matrix>(url, 'query_range', { query, ...times })
          return result
            .map(({ metric, values }) => `${JSON.stringify(Object.entries(metric).sort())} ${values.length}`)
            .sort()
        }),
      )
    }
    const before = await answer()
    await replicas[1]!.stop()
    const isTold = async () => {
      const response = await fetch(`${url}/api/v1/query?query=up`)
      return ((await response.json()) as { warnings?: string[] }).warnings?.some((text) => text.includes('is down'))
    }
    await vi.waitUntil(async () => (await isTold()) === true, { timeout: 20_000, interval: 200 })
    expect(await answer()).toEqual(before)
    // Fresh samples go on coming.
    const newest = async () =>
      Number((await prometheusApi<Vector>(url, 'query', { query: 'max(timestamp(up))' })).result[0]!.value[1])
    const first = await newest()
    await expect.poll(newest, { timeout: 10_000 }).toBeGreaterThan(first)
  }, 60_000)
})
