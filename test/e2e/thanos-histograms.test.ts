// A Thanos querier that hands whole queries on (query.mode=distributed) to ours, over blocks of native histograms: the same answers.
// Runs where THANOS names an executable; its result is in docs/compatibility.md.
// Subject: the gRPC Query API (services/query/grpc-query.ts, frames.ts). Owns every process, ended in afterAll.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type ApiServer, bucketFlag, startCluster, startMnemo } from '../support/cluster.ts'
import { freePorts } from '../support/free-port.ts'
import { goldenPath } from '../support/golden.ts'
import { TestProcess } from '../support/process.ts'
import { prometheusApi } from '../support/prometheus.ts'

const { THANOS: thanos = '' } = process.env
if (thanos === '') console.log('left out: whole queries of a Thanos querier with native histograms (THANOS names none)')

describe.skipIf(thanos === '')("whole queries of a Thanos querier's", () => {
  let folder: string
  let ours: ApiServer
  let theirs: TestProcess
  let theirUrl: string

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mnemo-distributed-'))
    const bucket = path.join(folder, 'bucket')
    const blocks = goldenPath('blocks', 'histograms')
    const flags = ['--path', blocks, '--label=replica="a"', '--label=cluster="x"', '--shipper.upload-compacted']
    const tool = await startMnemo(['tools', 'bucket', 'upload-blocks', bucketFlag(bucket), ...flags])
    expect(await tool.waitForExit(60_000), tool.output).toBe(0)
    const [http, theirGrpc] = (await freePorts(2)) as [number, number]
    ours = await startCluster({ bucket, workFolder: folder })
    const [, grpc] = await ours.processes.query!.waitForOutput(/serving gRPC" address=(\S+)/)
    const listen = [`--http-address=127.0.0.1:${http}`, `--grpc-address=127.0.0.1:${theirGrpc}`]
    const args = ['query', `--endpoint=${grpc}`, '--query.replica-label=replica', '--query.mode=distributed']
    theirs = await TestProcess.start({ command: thanos, args: [...args, ...listen] })
    theirUrl = `http://127.0.0.1:${http}`
    await theirs.waitForHttp(`${theirUrl}/-/ready`)
    await vi.waitFor(async () => {
      const stores = await prometheusApi<{ query?: { lastError: string | null }[] }>(theirUrl, 'stores')
      expect(stores.query?.[0]?.lastError).toBeNull()
    }, 20_000)
  }, 120_000)
  afterAll(async () => {
    await theirs?.stop()
    await ours?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const queries = [
    'nh',
    'rate(nh[5m])',
    'histogram_quantile(0.9, rate(nh[5m]))',
    'histogram_count(nh)',
    'nh * 2',
    '-nh',
  ]

  test.each(queries)('%s: the same, histograms as they are', async (query) => {
    for (const [api, params] of [
      ['query', { time: '1700010000' }],
      ['query_range', { start: '1700010000', end: '1700010600', step: '60' }],
    ] as const) {
      const [want, got] = await Promise.all(
        [ours.url, theirUrl].map((url) => prometheusApi<{ result: object[] }>(url, api, { query, ...params })),
      )
      const lines = ({ result }: { result: object[] }) => result.map((one) => JSON.stringify(sorted(one))).sort()
      expect(want!.result.length).toBeGreaterThan(0)
      expect(lines(got!)).toEqual(lines(want!))
    }
  })
})

/** With the labels in one order. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = Object.entries(value).map(([key, one]) => [key, sorted(one)] as const)
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
