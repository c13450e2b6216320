// A sidecar's life beside a real Prometheus: it waits, is ready, says when Prometheus is down, heals, and ends as it is told.
// Owns the processes and folders of each test.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createStoreClient } from '../../../lib/storeapi/client.ts'
import { bucketFlag, startMnemo } from '../../support/cluster.ts'
import { freePorts } from '../../support/free-port.ts'
import { writeMadeBlock } from '../../support/made-blocks.ts'
import { startMuteServer } from '../../support/mute-server.ts'
import type { TestProcess } from '../../support/process.ts'
import { type PrometheusOptions, startPrometheusOver, whyNoPrometheus } from '../../support/prometheus.ts'

const reason = whyNoPrometheus('the life of a sidecar')
if (reason !== undefined) console.log(reason)

const signal = new AbortController().signal
let folder: string
let stops: (() => Promise<unknown>)[]

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sidecar-life-'))
  stops = []
})
afterEach(async () => {
  await Promise.all(stops.map((stop) => stop()))
  await rm(folder, { recursive: true })
})

async function startPrometheus(options: Partial<PrometheusOptions> = {}) {
  const started = await startPrometheusOver({
    data: path.join(folder, 'data'),
    externalLabels: { replica: 'a' },
    ...options,
  })
  stops.push(() => started.stop())
  return started
}

async function startSidecar(url: string, flags: readonly string[] = []) {
  const [grpc, http] = (await freePorts(2)) as [number, number]
  const process: TestProcess = await startMnemo([
    'sidecar',
    `--prometheus.url=${url}`,
    `--tsdb.path=${path.join(folder, 'data')}`,
    `--grpc-address=127.0.0.1:${grpc}`,
    `--http-address=127.0.0.1:${http}`,
    '--prometheus.get_config_interval=1s',
    ...flags,
  ])
  stops.push(() => process.stop())
  const at = `http://127.0.0.1:${http}`
  const client = createStoreClient(`127.0.0.1:${grpc}`)
  stops.push(async () => client.close())
  return {
    process,
    client,
    readyUrl: `${at}/-/ready`,
    ready: async () => (await fetch(`${at}/-/ready`)).status,
    metric: async (name: string) => {
      const text = await (await fetch(`${at}/metrics`)).text()
      return Number(new RegExp(`^${name}(?:{.*})? (.*)$`, 'm').exec(text)?.[1])
    },
  }
}

const series = async ({ client }: Awaited<ReturnType<typeof startSidecar>>) => {
  const request = { minTime: 0, maxTime: Date.now(), matchers: [{ name: 'replica', type: '=' as const, value: 'a' }] }
  return Array.fromAsync(client.series(request, signal))
}

describe.skipIf(reason !== undefined)('a sidecar', () => {
  test('waits for its Prometheus, tells when it is down, and heals', async () => {
    const [port] = (await freePorts(1)) as [number]
    const sidecar = await startSidecar(`http://127.0.0.1:${port}`)
    await sidecar.process.waitForOutput(/Prometheus cannot be used/)
    expect(await sidecar.ready()).toBe(503)
    expect(await sidecar.metric('thanos_sidecar_prometheus_up')).toBe(0)
    await expect(sidecar.client.info(signal)).rejects.toMatchObject({ code: 'unavailable' })
    const prometheus = await startPrometheus({ port })
    await sidecar.process.waitForHttp(sidecar.readyUrl)
    expect(await sidecar.metric('thanos_sidecar_prometheus_up')).toBe(1)
    expect((await sidecar.client.info(signal)).labelSets).toEqual([['replica', 'a']])

    await prometheus.stop()
    await vi.waitUntil(async () => (await sidecar.ready()) === 503, { timeout: 10_000 })
    expect(await sidecar.metric('thanos_sidecar_prometheus_up')).toBe(0)
    await expect(series(sidecar)).rejects.toMatchObject({ code: 'unavailable' })
    await startPrometheus({ port, externalLabels: { replica: 'b' } })
    await sidecar.process.waitForHttp(sidecar.readyUrl)
    expect(await sidecar.metric('thanos_sidecar_prometheus_up')).toBe(1)
    expect((await sidecar.client.info(signal)).labelSets).toEqual([['replica', 'b']])
    // Told once each, however often it was tried. One that starts or stops may have something else to say in between.
    const phases = sidecar.process.output.split('Prometheus is up').slice(0, 2)
    for (const phase of phases) {
      const told = [...phase.matchAll(/cannot be used.*/g)].map(([text]) => text)
      expect(told.length).toBeGreaterThanOrEqual(1)
      expect(told.filter((text, k) => text === told[k - 1])).toEqual([])
    }
  })

  test('serves fresh data while its bucket hangs, and says that it does', async () => {
    const prometheus = await startPrometheus()
    const mute = await startMuteServer()
    stops.push(mute.close)
    const sidecar = await startSidecar(prometheus.url, [`--objstore.config=${mute.bucketConfig}`])
    await sidecar.process.waitForHttp(sidecar.readyUrl)
    expect((await sidecar.client.info(signal)).labelSets).toEqual([['replica', 'a']])
    await sidecar.process.waitForOutput(/the bucket does not answer yet/)
    expect(await sidecar.process.stop()).toBe(0)
  })

  test('ends with status 2 and one line where Prometheus has no external labels', async () => {
    const prometheus = await startPrometheus({ externalLabels: {} })
    const { process } = await startSidecar(prometheus.url, ['--log.level=error'])
    expect(await process.waitForExit()).toBe(2)
    expect(process.output.trim().split('\n')).toEqual([expect.stringMatching(/^mnemo sidecar: .*no external labels/)])
  })

  test('without a bucket it only serves, whatever the block durations; SIGTERM ends it with status 0', async () => {
    const prometheus = await startPrometheus({ maxBlockDuration: '6h' })
    const sidecar = await startSidecar(prometheus.url)
    await sidecar.process.waitForHttp(sidecar.readyUrl)
    expect(sidecar.process.output).toContain('blocks are not shipped')
    expect(await series(sidecar)).toEqual([])
    expect(await sidecar.process.stop()).toBe(0)
  })

  test('with a bucket it waits, with a warning, while Prometheus could compact blocks', async () => {
    const bucket = bucketFlag(path.join(folder, 'bucket'))
    const unequal = await startPrometheus({ maxBlockDuration: '6h' })
    const sidecar = await startSidecar(unequal.url, [bucket])
    await sidecar.process.waitForOutput(/cannot ship blocks: got min 2h and max 6h block duration/)
    expect(await sidecar.ready()).toBe(503)
    await unequal.stop()
    await startPrometheus({ port: unequal.port })
    await sidecar.process.waitForHttp(sidecar.readyUrl)
    expect(await sidecar.process.stop()).toBe(0)
  })

  test('ships the blocks of the data folder at once', async () => {
    const minTime = Math.floor(Date.now() / 7_200_000) * 7_200_000 - 14_400_000
    const samples = Array.from({ length: 100 }, (_, i) => [minTime + i * 1000, i] as const)
    const made = [{ labels: ['__name__', 'old'], samples }]
    const data = path.join(folder, 'data')
    await writeMadeBlock(data, { minTime, maxTime: minTime + 7_200_000, series: made, externalLabels: [] })
    const prometheus = await startPrometheus()
    const sidecar = await startSidecar(prometheus.url, [bucketFlag(path.join(folder, 'bucket'))])
    await sidecar.process.waitForOutput(/shipped block/)
    expect(await sidecar.metric('thanos_shipper_uploads_total')).toBe(1)
    expect(await sidecar.process.stop()).toBe(0)
  })

  const wrong: Record<string, readonly string[]> = {
    'a URL that is none': ['--prometheus.url=nowhere'],
    'a bucket configuration that is none': ['--objstore.config=type: TAPE'],
    'an interval of nothing': ['--prometheus.get_config_interval=0s'],
  }
  test.each(Object.keys(wrong))('ends at once with status 2 and one line on %s', async (name) => {
    const process = await startMnemo([
      'sidecar',
      '--http-address=127.0.0.1:0',
      '--grpc-address=127.0.0.1:0',
      ...wrong[name]!,
    ])
    stops.push(() => process.stop())
    expect(await process.waitForExit()).toBe(2)
    expect(process.output.trim().split('\n')).toEqual([expect.stringMatching(/^mnemo sidecar: cannot /)])
  })

  test('ends with status 2 where --tsdb.path is not there', async () => {
    const prometheus = await startPrometheus()
    const none = path.join(folder, 'none')
    const lost = await startMnemo([
      'sidecar',
      `--prometheus.url=${prometheus.url}`,
      `--tsdb.path=${none}`,
      bucketFlag(path.join(folder, 'bucket')),
      '--http-address=127.0.0.1:0',
      '--grpc-address=127.0.0.1:0',
      '--log.level=error',
    ])
    stops.push(() => lost.stop())
    expect(await lost.waitForExit()).toBe(2)
    expect(lost.output.trim().split('\n')).toEqual([expect.stringContaining(none)])
  })
})
