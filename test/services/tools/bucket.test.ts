// `mnemo tools bucket …` as real processes over a bucket in a directory.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { putMark } from '../../../lib/blocks/markers.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { formatWide } from '../../../services/tools/bucket-ls.ts'
import { parseLabels } from '../../../services/tools/bucket-upload-blocks.ts'
import { metaOf, putMeta, ulidOf } from '../../support/block-metas.ts'
import { goldenBlock } from '../../support/golden.ts'
import { TestProcess } from '../../support/process.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-'))
afterAll(() => fs.rm(root, { recursive: true }))
const executable = fileURLToPath(new URL('../../../services/mnemo.ts', import.meta.url))

async function tools(...args: string[]): Promise<{ status: unknown; output: string; lines: string[] }> {
  const started = await TestProcess.start({ command: process.execPath, args: [executable, 'tools', ...args] })
  const status = await started.waitForExit()
  const lines = started.output.split('\n').filter((line) => line !== '' && !line.startsWith('ts='))
  return { status, output: started.output, lines }
}

const configOf = (directory: string) => `--objstore.config={type: FILESYSTEM, config: {directory: ${directory}}}`

test('upload-blocks, then ls', async () => {
  const bucket = path.join(root, 'bucket')
  const data = path.join(root, 'data')
  const golden = goldenBlock('blocks/floats')
  await fs.cp(golden.folder, path.join(data, golden.ulid), { recursive: true })
  const upload = ['bucket', 'upload-blocks', configOf(bucket), `--path=${data}`]
  const labels = ['--label=cluster="eu"', '--label=replica="a \\"b\\""']
  expect(await tools(...upload)).toMatchObject({ status: 2 })
  expect(await tools(...upload, ...labels)).toMatchObject({ status: 0 })
  const file = path.join(bucket, golden.ulid, 'meta.json')
  const { thanos } = parseMeta(await fs.readFile(file), file)
  expect(thanos).toMatchObject({ labels: ['cluster', 'eu', 'replica', 'a "b"'], source: 'bucket.upload' })
  expect(thanos.files.map(({ relPath }) => relPath)).toEqual(['chunks/000001', 'index', 'meta.json'])
  const before = await fs.stat(file)
  expect((await tools(...upload, ...labels)).output).toContain('uploaded=0')
  expect((await fs.stat(file)).mtimeMs).toBe(before.mtimeMs)

  const ls = (...args: string[]) => tools('bucket', ...args, configOf(bucket))
  expect(await ls('ls')).toMatchObject({ status: 0, lines: [golden.ulid] })
  expect((await tools('bucket', configOf(bucket), 'ls', '--output=json')).lines.join('\n')).toBe(
    (await fs.readFile(file, 'utf8')).trimEnd(),
  )
  await putMark(new FilesystemBucket(bucket), golden.ulid, 'deletion', { nowMs: 1000 })
  const wide = (await ls('ls', '--output', 'wide')).lines
  expect(wide).toHaveLength(1)
  expect(wide[0]).toMatch(new RegExp(`^${golden.ulid} -- .*Source: bucket.upload, Labels: .*, Marks: deletion$`))
  expect((await ls('ls', '--exclude-delete')).lines).toEqual([])
  expect((await ls('ls', '--max-time=2001-01-01T00:00:00Z')).lines).toEqual([])
})

test('compacted blocks only where told, and where nothing overlaps', async () => {
  const data = path.join(root, 'compacted')
  const directory = path.join(root, 'compacted-bucket')
  const bucket = new FilesystemBucket(directory)
  const golden = goldenBlock('blocks/floats')
  await fs.cp(golden.folder, path.join(data, golden.ulid), { recursive: true })
  const file = path.join(data, golden.ulid, 'meta.json')
  await fs.writeFile(file, (await fs.readFile(file, 'utf8')).replace('"level": 1', '"level": 2'))
  const { minTime, maxTime } = parseMeta(await fs.readFile(file), file)
  const upload = (...args: string[]) =>
    tools('bucket', 'upload-blocks', configOf(directory), `--path=${data}`, '--label=replica="a"', ...args)
  expect((await upload()).output).toContain('uploaded=0')
  await putMeta(bucket, metaOf({ ulid: ulidOf(1), minTime: maxTime - 1, maxTime: maxTime + 1 }))
  const refused = await upload('--shipper.upload-compacted')
  expect(refused.status).toBe(1)
  expect(refused.output).toContain(`block ${ulidOf(1)} overlap`)
  await bucket.delete(`${ulidOf(1)}/meta.json`)
  await putMeta(bucket, metaOf({ ulid: ulidOf(2), minTime: minTime - 1, maxTime: minTime }))
  expect((await upload('--shipper.upload-compacted')).output).toContain('uploaded=1')
})

test('what is wrong is told in one line, with status 2', async () => {
  for (const [args, want] of [
    [['bucket', 'ls'], 'cannot do without a bucket'],
    [['bucket', 'ls', '--objstore.config=type: X'], 'want S3 or FILESYSTEM'],
    [['bucket', 'ls', configOf(root), '--output={{.ULID}}'], 'flag --output'],
    [['bucket', 'upload-blocks', configOf(root), '--label=a="b"', '--path=/none'], '--path=/none'],
  ] as const) {
    const { status, lines } = await tools(...args)
    expect(status).toBe(2)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain(want)
  }
  expect(await tools('bucket', 'rm')).toMatchObject({ status: 2 })
  expect(await tools()).toMatchObject({ status: 2 })
  const help = await tools('--help')
  expect(help.status).toBe(0)
  expect(help.output).toContain('bucket upload-blocks')
  expect((await tools('bucket', 'ls', '--help')).output).toContain('exclude-delete')
})

test('a wide line as Thanos has it, and more', () => {
  const block = metaOf({ ulid: ulidOf(1), minTime: 1_700_006_400_000, maxTime: 1_700_013_600_000 })
  const time = '2023-11-15T00:00:00Z - 2023-11-15T02:00:00Z'
  const rest = 'Diff: 2h0m0s, Compaction: 1, Downsample: 0, Source: sidecar, Labels: {replica="a"}'
  expect(formatWide(block, [])).toBe(`${ulidOf(1)} -- ${time} ${rest}\n`)
  expect(formatWide(block, ['deletion', 'no-compact'])).toContain(`${rest}, Marks: deletion no-compact\n`)
})

test.each([
  [['a="b"'], ['a', 'b']],
  [
    ['b=x=y', 'a="\\u00e9 \\n"'],
    ['a', 'é \n', 'b', 'x=y'],
  ],
])('labels %j', (texts, want) => {
  expect(parseLabels(texts)).toEqual(want)
})

test.each([[[]], [['a']], [['="b"']], [['a="b']], [['a="b"', 'a="c"']], [['a=""']]])(
  'labels %j are refused',
  (texts) => {
    expect(() => parseLabels(texts)).toThrow(/label/)
  },
)
