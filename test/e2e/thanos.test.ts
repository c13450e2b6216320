// Beside a real Thanos: our querier over its store and sidecar, its querier over ours, ours over ours, its over its, all over one
// bucket and one Prometheus, answer the same queries; and each other's buckets are compacted and verified.
// Runs where THANOS names an executable (PROMETHEUS another Prometheus than the one on the PATH); its result is in
// docs/compatibility.md. Owns every process, ended in afterAll.
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { isUlid } from '../../lib/blocks/block-name.ts'
import type { Bucket } from '../../lib/objstore/bucket.ts'
import { createBucket } from '../../lib/objstore/config.ts'
import { type Answer, ask, differences, readQueries } from '../support/api-answers.ts'
import { type ApiServer, bucketFlag, startMnemo, startPrometheus } from '../support/cluster.ts'
import { freePorts } from '../support/free-port.ts'
import { viewOf } from '../support/made-blocks.ts'
import { openMetricsText } from '../support/openmetrics.ts'
import { run, TestProcess } from '../support/process.ts'
import { type Prometheus, preferPrometheus, startPrometheusOver, whyNoPrometheus } from '../support/prometheus.ts'

const { THANOS: thanos = '', PROMETHEUS } = process.env
if (PROMETHEUS) preferPrometheus(PROMETHEUS)
const reason =
  thanos === ''
    ? 'left out: beside a real Thanos (THANOS names none)'
    : whyNoPrometheus('beside a real Thanos', ['prometheus', 'promtool'])
if (reason !== undefined) console.log(reason)

const fromMs = 1_700_006_400_000
const hourMs = 3_600_000
const times = { fromMs, toMs: fromMs + 12 * hourMs }
const wallMs = 240_000
/** What the bucket's blocks and the Prometheus say of themselves; the querier deduplicates along it. */
const externalLabel = 'replica'

/** Over windows, on each kind of metric: what the engines, the merging of chunks and the overlap of store and sidecar bear on. */
const windowQueries = [
  'rate', 'increase', 'irate', 'resets', 'changes', 'delta', 'idelta', 'deriv', 'avg_over_time', 'min_over_time',
  'max_over_time', 'sum_over_time', 'count_over_time', 'stddev_over_time', 'last_over_time', 'present_over_time',
].flatMap((name) =>
  ['http_requests_total{job="api"}', 'temperature_celsius', 'memory_bytes', 'up'].flatMap((selector) => [
    `range 180s ${name}(${selector}[7m])`,
    `instant 7h30m ${name}(${selector}[3h])`,
  ]),
) // biome-ignore format: a list
const queries = [...windowQueries, ...(await readQueries())]
/** Thanos makes counters monotonic before it hands them to its engine, also those of one replica: near a reset these differ. */
const counterFunctions = /\b(rate|increase|irate|resets)\(/
const differing = new Set<string>()

describe.skipIf(reason !== undefined)('beside a real Thanos', () => {
  let folder: string
  let directory: string
  let bucket: Bucket
  let sidecars: Prometheus
  let whole: ApiServer
  const running: TestProcess[] = []
  const urls: Record<'ours over Thanos' | 'Thanos over ours' | 'ours over ours' | 'Thanos over Thanos', string> = {
    'ours over Thanos': '',
    'Thanos over ours': '',
    'ours over ours': '',
    'Thanos over Thanos': '',
  }

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'beside-thanos-'))
    directory = path.join(folder, 'bucket')
    bucket = await createBucket(bucketFlag(directory).replace('--objstore.config=', ''))
    const blocks = await makeBlocks()
    whole = await startPrometheus(await copyOf(blocks, 'whole'))
    // The fourth block is in the bucket and in Prometheus: its hours count once.
    await ship(await copyOf(blocks.slice(0, 4), 'shipped'))
    const data = await copyOf(blocks.slice(3), 'data')
    sidecars = await startPrometheusOver({
      data,
      externalLabels: { [externalLabel]: 'a' },
      args: ['--storage.tsdb.retention.time=100y'],
    })
    const ours = await startStores('mnemo')
    const theirs = await startStores('thanos')
    urls['ours over ours'] = await startQuerier('mnemo', ours)
    urls['ours over Thanos'] = await startQuerier('mnemo', theirs)
    urls['Thanos over ours'] = await startQuerier('thanos', ours)
    urls['Thanos over Thanos'] = await startQuerier('thanos', theirs)
    for (const url of Object.values(urls)) await untilKnown(url)
  }, wallMs)

  afterAll(async () => {
    for (const process of running.reverse()) await process.stop()
    await Promise.all([whole?.stop(), sidecars?.stop(), bucket?.close()])
    if (folder) await rm(folder, { recursive: true })
    console.log(`Thanos's querier differs from Prometheus in ${differing.size} of ${queries.length}:`, [...differing])
  })

  /** The blocks' folders, in order of time. */
  async function makeBlocks(): Promise<string[]> {
    const [text, blocks] = [path.join(folder, 'metrics.txt'), path.join(folder, 'blocks')]
    await mkdir(blocks)
    await writeFile(text, openMetricsText({ seed: 5, ...times, intervalMs: 30_000 }))
    await run('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', '--quiet', text, blocks], wallMs)
    const names = (await readdir(blocks)).filter(isUlid).sort()
    return names.map((name) => path.join(blocks, name))
  }

  async function copyOf(blocks: readonly string[], name: string): Promise<string> {
    const to = path.join(folder, name)
    for (const block of blocks) await cp(block, path.join(to, path.basename(block)), { recursive: true })
    return to
  }

  async function ship(blocks: string): Promise<void> {
    const flags = ['--path', blocks, '--label', `${externalLabel}="a"`, '--log.level=error']
    const tool = await startMnemo(['tools', 'bucket', 'upload-blocks', bucketFlag(directory), ...flags])
    expect(await tool.waitForExit(wallMs), tool.output).toBe(0)
  }

  async function start(
    who: 'mnemo' | 'thanos',
    service: string,
    flags: readonly string[],
  ): Promise<{ http: string; grpc: string }> {
    const [http, grpc] = await freePorts(2)
    const args = [service, `--http-address=127.0.0.1:${http}`, `--grpc-address=127.0.0.1:${grpc}`, ...flags]
    const process = who === 'mnemo' ? await startMnemo(args) : await TestProcess.start({ command: thanos, args })
    running.push(process)
    await process.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
    return { http: `http://127.0.0.1:${http}`, grpc: `127.0.0.1:${grpc}` }
  }

  /** Store and sidecar: their gRPC addresses. */
  async function startStores(who: 'mnemo' | 'thanos'): Promise<string[]> {
    const store = await start(who, 'store', [bucketFlag(directory), `--data-dir=${path.join(folder, `${who}-store`)}`])
    const sidecar = await start(who, 'sidecar', [`--prometheus.url=${sidecars.url}`, `--tsdb.path=${folder}/data`])
    return [store.grpc, sidecar.grpc]
  }

  async function startQuerier(who: 'mnemo' | 'thanos', endpoints: readonly string[]): Promise<string> {
    const flags = endpoints.map((endpoint) => `--endpoint=${endpoint}`)
    return (await start(who, 'query', [...flags, `--query.replica-label=${externalLabel}`])).http
  }

  /** Until the querier has learned of both stores. */
  async function untilKnown(url: string): Promise<void> {
    const known = async () => (await ask(url, 'instant 1h count(up)', times)).data
    const late = async () => (await ask(url, 'instant 11h count(up)', times)).data
    const isKnown = async () => !JSON.stringify([await known(), await late()]).includes('"result":[]')
    await vi.waitUntil(isKnown, { timeout: 60_000, interval: 200 })
  }

  test(
    'the same answers through all four',
    async () => {
      expect(new Set(queries).size).toBeGreaterThanOrEqual(200)
      const wrong: string[] = []
      for (const query of queries) {
        const want = await ask(whole.url, query, times)
        for (const [name, url] of Object.entries(urls)) {
          const got = await ask(url, query, times)
          const found = told(got, want)
          if (found === undefined) continue
          if (name.startsWith('Thanos') && counterFunctions.test(query)) differing.add(query)
          else wrong.push(`${name}: ${query}: ${found}`)
        }
      }
      expect(wrong).toEqual([])
    },
    wallMs,
  )

  test(
    "Thanos's tools verify what our compactor made, its compactor goes on with it, and ours with what that made",
    async () => {
      const before = new Set(await viewOf(bucket))
      const config = path.join(folder, 'bucket.yaml')
      await writeFile(config, JSON.stringify({ type: 'FILESYSTEM', config: { directory } }))
      const compact = (name: string) => [
        'compact',
        `--objstore.config-file=${config}`,
        `--data-dir=${path.join(folder, `compact-${name}`)}`,
        '--consistency-delay=0s',
        '--delete-delay=0s',
        '--http-address=127.0.0.1:0',
      ]
      const verify = async () => {
        const said = await runThanos(['tools', 'bucket', 'verify', `--objstore.config-file=${config}`])
        expect(said).not.toMatch(/level=(warn|error)/)
      }
      const same = async () => {
        const now = new Set(await viewOf(bucket))
        expect([now.difference(before).size, before.difference(now).size]).toEqual([0, 0])
      }
      await verify()
      const ours = await startMnemo(compact('ours'))
      expect(await ours.waitForExit(wallMs), ours.output).toBe(0)
      await verify()
      await same()
      // The others of the twelve hours: there is something left to do.
      await ship(
        await copyOf(
          (await readdir(path.join(folder, 'blocks')))
            .sort()
            .slice(4)
            .map((name) => path.join(folder, 'blocks', name)),
          'later',
        ),
      )
      for (const sample of await viewOf(bucket)) before.add(sample)
      await runThanos(compact('thanos'))
      await verify()
      await same()
      const again = await startMnemo(compact('ours'))
      expect(await again.waitForExit(wallMs), again.output).toBe(0)
      await verify()
      await same()
    },
    wallMs,
  )

  /** What it says; ends with status 0. */
  async function runThanos(args: readonly string[]): Promise<string> {
    const process = await TestProcess.start({ command: thanos, args })
    running.push(process)
    expect(await process.waitForExit(wallMs), process.output).toBe(0)
    return process.output
  }
})

/** The first difference; undefined where there is none. */
function told(got: Answer, want: Answer): string | undefined {
  if (want.status !== 'success') throw new Error(`Prometheus answers ${want.error}`)
  if (got.status !== 'success' || got.warnings) return `got ${got.error ?? got.warnings?.join()}`
  return differences(got, want, [externalLabel])[0]
}
