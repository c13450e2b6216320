// What we merge, in the hands of Prometheus: promtool dumps the inputs' samples, all of them and no other, and the same queries
// have the same answers. From Prometheus 3 on with native histograms and XOR2; without one on the PATH the tests are left out.
import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runJob } from '../../../lib/compact/run-job.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { startPrometheus } from '../../support/cluster.ts'
import { Random, seed } from '../../support/random.ts'
import { writeWildBlocks } from '../../support/wild-blocks.ts'

const promtool = spawnSync('promtool', ['--version'], { encoding: 'utf8' })
const missing = promtool.status !== 0 || spawnSync('prometheus', ['--version']).status !== 0
if (missing) console.log('compacted-in-prometheus: no promtool and prometheus on the PATH, its tests are skipped')
const readsHistograms = /version (?:[3-9]|\d\d)\./.test(`${promtool.stdout}${promtool.stderr}`)

const root = mkdtempSync(path.join(tmpdir(), 'mnemo-compacted-'))
afterAll(() => rmSync(root, { recursive: true }))

/** A data folder of Prometheus's with these blocks. */
function dataOf(name: string, blocks: readonly string[]): string {
  const data = path.join(root, name)
  mkdirSync(path.join(data, 'wal'), { recursive: true })
  for (const block of blocks) cpSync(block, path.join(data, path.basename(block)), { recursive: true })
  return data
}

/** The lines of the dump, each a sample. */
function dump(name: string, block: string): string[] {
  const options = { encoding: 'utf8', maxBuffer: 1 << 30, stdio: 'pipe' } as const
  return execFileSync('promtool', ['tsdb', 'dump', dataOf(name, [block])], options)
    .trim()
    .split('\n')
}

test.skipIf(missing)(`dumps and answers are those of the inputs (SEED=${seed})`, { timeout: 120_000 }, async () => {
  const bucket = path.join(root, 'bucket')
  const { inputs } = await writeWildBlocks(new Random(seed), {
    folder: bucket,
    seriesCount: 60,
    plain: !readsHistograms,
    agreeing: true,
  })
  const ulid = '01HF5J1D00FDGQ3Q7ZWEGQB862'
  const folder = path.join(root, 'merged', ulid)
  const job = { kind: 'compact', inputs, overlap: 'one-to-one', isVerified: false, ulid, folder } as const
  const outcome = await runJob(new FilesystemBucket(bucket), job, new AbortController().signal)
  expect(outcome.kind).toBe('whole')
  const blocks = inputs.map((input) => path.join(bucket, input.ulid))
  const want = new Set(blocks.flatMap((block, i) => dump(`dump-${i}`, block)))
  const got = dump('dump-merged', folder)
  expect(got.length).toBe(want.size)
  expect(new Set(got)).toEqual(want)
  await expectSameAnswers(dataOf('inputs', blocks), dataOf('output', [folder]), inputs[0]!.minTime)
})

async function expectSameAnswers(inputs: string, output: string, startMs: number): Promise<void> {
  const servers = await Promise.all([inputs, output].map((data) => startPrometheus(data)))
  try {
    const range = { start: `${startMs / 1000}`, end: `${startMs / 1000 + 8 * 3600}`, step: '300' }
    for (const query of [
      '{name=~".+"}',
      'count_over_time({name=~".+"}[1h])',
      'sum(rate({name=~"s00[0-4].*"}[10m]))',
      'max_over_time({name=~".+"}[30m])',
      'resets({name=~".+"}[2h])',
    ]) {
      const [want, got] = await Promise.all(
        servers.map(async ({ url }) => {
          const response = await fetch(`${url}/api/v1/query_range?${new URLSearchParams({ query, ...range })}`)
          const { status, data } = (await response.json()) as { status: string; data: { result: unknown[] } }
          expect(status, query).toBe('success')
          return data.result
        }),
      )
      expect(got, query).toEqual(want)
      expect(got!.length, query).toBeGreaterThan(0)
    }
  } finally {
    await Promise.all(servers.map((server) => server.stop()))
  }
}
