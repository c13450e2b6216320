// Blocks of one Prometheus that overlap, as out-of-order samples and backfill leave them, behind our store and querier and behind a
// real Prometheus: the same answers, deduplicated or not. Queries stand in queries.txt.
// Values may differ by 1e-12, as in same-as-prometheus.test.ts.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask as askApi, differences, readQueries } from '../support/api-answers.ts'
import { type ApiServer, bucketFlag, startCluster, startMnemo, startPrometheus } from '../support/cluster.ts'
import { openMetricsText } from '../support/openmetrics.ts'
import { hasCommand, run } from '../support/process.ts'
import { Random } from '../support/random.ts'

const fromMs = 1_700_006_400_000
const toMs = fromMs + 4 * 3_600_000
const externalLabel = 'replica'
const wallMs = 110_000

const missing = ['prometheus', 'promtool'].filter((command) => !hasCommand(command))
if (missing.length > 0) console.log(`overlapping-blocks is left out: ${missing.join(' and ')} not on this machine`)

const queries = await readQueries()

describe.skipIf(missing.length > 0)('overlapping blocks of one Prometheus are answered as it answers them', () => {
  let folder: string
  let ours: Awaited<ReturnType<typeof startCluster>>
  let prometheus: ApiServer

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mnemo-overlapping-'))
    const [blocks, bucket] = [path.join(folder, 'blocks'), path.join(folder, 'bucket')]
    await makeBlocks(folder, blocks)
    await cp(blocks, path.join(folder, 'prometheus'), { recursive: true })
    prometheus = await startPrometheus(path.join(folder, 'prometheus'))
    const upload = ['--path', blocks, '--label', `${externalLabel}="a"`, '--log.level=error']
    const uploading = await startMnemo(['tools', 'bucket', 'upload-blocks', bucketFlag(bucket), ...upload])
    expect(await uploading.waitForExit(wallMs), uploading.output).toBe(0)
    ours = await startCluster({ bucket, workFolder: folder })
  }, wallMs)

  afterAll(async () => {
    await Promise.all([ours?.stop(), prometheus?.stop()])
    if (folder !== undefined) await rm(folder, { recursive: true })
  })

  test.each(queries)('%s', async (query) => {
    const range = { fromMs, toMs }
    const [got, want] = await Promise.all([askApi(ours.url, query, range), askApi(prometheus.url, query, range)])
    expect(got.error).toBe(want.error)
    expect(differences(got, want, [externalLabel]).slice(0, 5)).toEqual([])
  })
})

/** Each sample in one of two sets of blocks over the same time, four in five in the first. */
async function makeBlocks(folder: string, blocks: string): Promise<void> {
  await mkdir(blocks)
  const random = new Random(1)
  const all = openMetricsText({ seed: 1, fromMs, toMs, intervalMs: 30_000 }).split('\n')
  const late = all.map((line) => !line.startsWith('#') && random.chance(0.2))
  for (const wanted of [false, true]) {
    const text = path.join(folder, `late-${wanted}.txt`)
    await writeFile(text, all.filter((line, i) => line.startsWith('#') || late[i] === wanted).join('\n'))
    await run('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', '--quiet', text, blocks], wallMs)
  }
}
