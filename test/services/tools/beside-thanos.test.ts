// The tools beside those of a real Thanos, over copies of one bucket: the same tables, marks, copies and rewritten samples, and
// each finds nothing wrong with what the other has written.
// Runs where THANOS names an executable; its result is in docs/compatibility.md.
import { execFile } from 'node:child_process'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, describe, expect, test } from 'vitest'
import { goldenPath } from '../../support/golden.ts'
import { configOf, executable, tools } from '../../support/tools.ts'

const { THANOS: thanos = '' } = process.env
if (thanos === '') console.log("left out: our tools beside Thanos's (THANOS names none)")

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-beside-thanos-'))
afterAll(() => fs.rm(root, { recursive: true }))
const raw = '01M81VCRDH86F0WF0CFPEZ0BKC'

/** A copy of the golden blocks that are whole. */
async function goldenCopy(name: string): Promise<string> {
  const directory = path.join(root, name)
  for (const ulid of await fs.readdir(goldenPath('bucket')))
    if ((await fs.readdir(goldenPath('bucket', ulid))).includes('chunks'))
      await fs.cp(goldenPath('bucket', ulid), path.join(directory, ulid), { recursive: true })
  return directory
}

/** Both streams apart; TZ as ours: Thanos prints times of the machine's zone. */
async function theirs(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const options = { env: { ...process.env, TZ: 'UTC' }, maxBuffer: 64 * 1024 * 1024 }
  return promisify(execFile)(thanos, ['tools', 'bucket', ...args], options)
}

async function dump(folder: string): Promise<string> {
  const args = [executable, 'tools', 'tsdb', 'dump', folder]
  return (await promisify(execFile)(process.execPath, args, { maxBuffer: 64 * 1024 * 1024 })).stdout
}

const blocksIn = async (directory: string) =>
  (await fs.readdir(directory)).filter((name) => !name.startsWith('.')).sort()

describe.skipIf(thanos === '')('beside Thanos', { timeout: 120_000 }, () => {
  test('inspect and ls print the same', async () => {
    const config = configOf(await goldenCopy('shown'))
    for (const args of [[], ['--sort-by=#SAMPLES'], ['--selector=replica="long"', '--output=csv']]) {
      const { stdout } = await theirs('inspect', config, ...args)
      expect((await tools('bucket', 'inspect', config, ...args)).lines).toEqual(stdout.trimEnd().split('\n'))
    }
    for (const format of ['', 'json', '{{.ULID}} {{.Stats.NumSeries}} {{.Thanos.Labels}}']) {
      const { stdout } = await theirs('ls', config, '-o', format)
      expect((await tools('bucket', 'ls', config, '-o', format)).lines.sort()).toEqual(
        stdout.trimEnd().split('\n').sort(),
      )
    }
  })

  test('marks say the same', async () => {
    const [ours, other] = [await goldenCopy('marked'), await goldenCopy('marked-by-thanos')]
    for (const marker of ['deletion-mark.json', 'no-compact-mark.json', 'no-downsample-mark.json']) {
      const args = [`--id=${raw}`, `--marker=${marker}`, '--details=why']
      expect(await tools('bucket', 'mark', configOf(ours), ...args)).toMatchObject({ status: 0 })
      await theirs('mark', configOf(other), ...args)
      const read = async (directory: string) =>
        (await fs.readFile(path.join(directory, raw, marker), 'utf8')).trimEnd().replace(/_time":\d+/, '_time":0')
      expect(await read(ours)).toBe(await read(other))
    }
  })

  test('replicate makes the same copy', async () => {
    const from = configOf(await goldenCopy('source'))
    const [ours, other] = [path.join(root, 'copied'), path.join(root, 'copied-by-thanos')]
    const args = ['--single-run', '--resolution=0s', '--matcher=replica="long"']
    await tools('bucket', 'replicate', from, configOf(ours, 'objstore-to'), ...args)
    await theirs('replicate', from, configOf(other, 'objstore-to'), ...args)
    expect(await blocksIn(ours)).toEqual(await blocksIn(other))
    for (const ulid of await blocksIn(ours))
      for (const file of ['meta.json', 'index', 'chunks/000001'])
        expect(await fs.readFile(path.join(ours, ulid, file))).toEqual(await fs.readFile(path.join(other, ulid, file)))
  })

  test('rewrite leaves the same samples and tells the same of it; verify is clean both ways', async () => {
    const toDelete = `- matchers: '{__name__=~"g_count.*", job="gold"}'
  intervals: [{mint: 1700007000000, maxt: 1700009000000}]
  request_id: abc
- matchers: '{__name__="g_walk"}'
`
    const toRelabel =
      '[{source_labels: [job, instance], regex: (.*);(.*), target_label: both, replacement: $1-$2}, {action: labeldrop, regex: instance}]'
    const args = [`--id=${raw}`, '--no-dry-run', `--rewrite.to-delete-config=${toDelete}`]
    const relabelFile = path.join(root, 'relabel.yml')
    await fs.writeFile(relabelFile, toRelabel)
    const rewritten = async (name: string, rewrite: (config: string, tmp: string) => Promise<unknown>) => {
      const directory = await goldenCopy(name)
      await rewrite(configOf(directory), `--tmp.dir=${path.join(root, `${name}-tmp`)}`)
      const before = new Set(await blocksIn(goldenPath('bucket')))
      const fresh = (await blocksIn(directory)).find((ulid) => !before.has(ulid))!
      const meta = JSON.parse(await fs.readFile(path.join(directory, fresh, 'meta.json'), 'utf8')) as {
        thanos: { rewrites: unknown; source: string }
      }
      return { directory, samples: await dump(path.join(directory, fresh)), thanos: meta.thanos }
    }
    const relabel = `--rewrite.to-relabel-config-file=${relabelFile}`
    const ours = await rewritten('rewritten', (config, tmp) =>
      tools('bucket', 'rewrite', config, tmp, relabel, ...args),
    )
    const other = await rewritten('rewritten-by-thanos', (config, tmp) =>
      theirs('rewrite', config, tmp, relabel, ...args),
    )
    expect(ours.samples).toBe(other.samples)
    expect(ours.thanos.rewrites).toEqual(other.thanos.rewrites)
    const issues = ['--issues=objects', '--issues=index_known_issues', '--issues=chunks']
    expect(await tools('bucket', 'verify', configOf(other.directory), ...issues)).toMatchObject({ status: 0 })
    expect((await theirs('verify', configOf(ours.directory), '--issues=index_known_issues')).stderr).not.toContain(
      'level=warn',
    )
  })

  test('what verify repairs Thanos finds sound', async () => {
    const directory = await goldenCopy('repaired')
    const segment = path.join(directory, raw, 'chunks', '000001')
    const bytes = await fs.readFile(segment)
    bytes[500]! ^= 0xff
    await fs.writeFile(segment, bytes.subarray(0, bytes.length - 100))
    const backup = configOf(path.join(root, 'backup'), 'objstore-backup')
    const issues = ['--issues=objects', '--issues=chunks']
    expect(await tools('bucket', 'verify', configOf(directory), '--repair', backup, ...issues)).toMatchObject({
      status: 0,
    })
    expect((await theirs('verify', configOf(directory), '--issues=index_known_issues')).stderr).not.toContain(
      'level=warn',
    )
    expect(await blocksIn(path.join(root, 'backup'))).toEqual([raw])
  })
})
