// `mnemo tools bucket …` as real processes over a bucket in a directory.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { putMark } from '../../../lib/blocks/markers.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { formatWide } from '../../../services/tools/bucket-ls.ts'
import { parseLabels } from '../../../services/tools/bucket-upload-blocks.ts'
import { metaOf, putMeta, ulidOf } from '../../support/block-metas.ts'
import { goldenBlock, goldenPath } from '../../support/golden.ts'
import { configOf, tools } from '../../support/tools.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-'))
afterAll(() => fs.rm(root, { recursive: true }))

test('upload-blocks, then ls', { timeout: 60_000 }, async () => {
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

const golden = goldenPath('bucket')

test.each([
  [['bucket', 'ls'], 'cannot do without a bucket'],
  [['bucket', 'ls', '--objstore.config=type: X'], 'want S3 or FILESYSTEM'],
  [['bucket', 'ls', configOf(golden), '--output={{.Ulid}}'], 'cannot use --output: got {{.Ulid}}'],
  [['bucket', 'ls', configOf(golden), '-o', '{{range .}}{{end}}'], 'cannot use --output: got {{range .}}'],
  [['bucket', 'inspect', configOf(root), '--sort-by=AGE'], 'cannot sort by AGE'],
  [['bucket', 'inspect', configOf(root), '-l', 'a'], 'cannot use --selector a'],
  [['bucket', 'mark', configOf(root), '--id=x', '--marker=deletion-mark.json', '--details=y'], 'cannot use --id=x'],
  [['bucket', 'mark', configOf(root), '--marker=deletion-mark.json', '--details=y'], '--id is missing'],
  [['bucket', 'mark', configOf(root), `--id=${ulidOf(1)}`, '--marker=deletion-mark.json'], '--details is missing'],
  [['bucket', 'retention', configOf(root)], 'cannot apply retention'],
  [['bucket', 'upload-blocks', configOf(root), '--label=a="b"', '--path=/none'], '--path=/none'],
] as const)('%j: one line, status 2', async (args, want) => {
  const { status, lines } = await tools(...args)
  expect(status).toBe(2)
  expect(lines).toEqual([expect.stringContaining(want)])
})

test('a command that is none, and help', async () => {
  expect(await tools('bucket', 'rm')).toMatchObject({ status: 2 })
  expect(await tools()).toMatchObject({ status: 2 })
  const help = await tools('--help')
  expect(help.status).toBe(0)
  expect(help.output).toContain('bucket upload-blocks')
  expect((await tools('bucket', 'ls', '--help')).output).toContain('exclude-delete')
})

test('ls in a format of one’s own', async () => {
  const format =
    '{{.ULID}} {{ .Stats.NumSeries }} {{.Compaction.Sources}} {{.Thanos.Labels}} {{.Thanos.Labels.replica}}.'
  const { lines } = await tools(
    'bucket',
    'ls',
    configOf(goldenPath('bucket')),
    '-o',
    format,
    '--max-time=2023-11-15T00:00:00Z',
  )
  const ulid = '01M81VCT3QZSCJJ0HE2NX140M7'
  expect(lines).toContain(`${ulid} 15 [${ulid}] map[cluster:gold replica:long] long.`)
})

test('inspect: a table as Thanos prints it, sorted and selected', async () => {
  const inspect = async (...args: string[]) =>
    (await tools('bucket', 'inspect', configOf(goldenPath('bucket')), ...args)).lines
  const table = await inspect('-l', 'replica="a"', '--selector=cluster=gold')
  expect(table).toEqual([
    '|            ULID            |         FROM         |        UNTIL         | RANGE  | UNTIL-DOWN | #SERIES | #SAMPLES | #CHUNKS | COMP-LEVEL | COMP-FAILED |         LABELS         | RESOLUTION |    SOURCE     |',
    '|----------------------------|----------------------|----------------------|--------|------------|---------|----------|---------|------------|-------------|------------------------|------------|---------------|',
    '| 01M81VCRDH86F0WF0CFPEZ0BKC | 2023-11-15T00:00:00Z | 2023-11-15T02:00:00Z | 2h0m0s | 38h0m0s    | 31      | 5,581    | 63      | 1          | false       | cluster=gold,replica=a | 0s         | bucket.upload |',
    '| 01M81VCRH9X978VMPB1HFNE61J | 2023-11-15T00:00:00Z | 2023-11-15T02:00:00Z | 2h0m0s | 38h0m0s    | 13      | 5,376    | 226     | 1          | false       | cluster=gold,replica=a | 0s         | bucket.upload |',
  ])
  const csv = await inspect('--output=csv', '--sort-by=RESOLUTION', '--sort-by', '#SAMPLES')
  expect(csv).toHaveLength(11)
  expect(csv[1]).toContain('"5,376"')
  expect(csv.map((line) => line.split(',').at(-2)).slice(1)).toEqual([...Array(6).fill('0s'), ...Array(4).fill('5m0s')])
  expect(await inspect('-l', 'replica="none"', '--output=tsv')).toHaveLength(1)
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
