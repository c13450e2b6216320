// `mnemo tools tsdb dump` as a real process: what Prometheus 3.14's `promtool tsdb dump` prints of the same blocks.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { goldenBlock, goldenPath } from '../../support/golden.ts'
import { configOf, executable, tools } from '../../support/tools.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-dump-'))
afterAll(() => fs.rm(root, { recursive: true }))

async function dump(...args: string[]): Promise<string> {
  const options = { maxBuffer: 64 * 1024 * 1024 }
  return (await promisify(execFile)(process.execPath, [executable, 'tools', 'tsdb', 'dump', ...args], options)).stdout
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

// The digests are those of promtool's own output.
test.each([
  ['floats', 5581, '2d10e13902ff3c56e37ecd3e88a03167680d0882a03f3e29d1eb36c65a92dbe0'],
  ['floats-xor2', 5581, 'ca43b9ae6b6ce5077c69bc756f3a706c29dc062977c91d7cab2705d09d127cee'],
  ['histograms', 5376, '6a4bc6d5145dc5a430d6befd581f8c5fa021410d59029902d319713d5e00173d'],
  ['histograms-st', 2688, 'f6e04d300cc5b4cd1a8514e22296f3bad0a617d24097cdb31c164960e1cd6dac'],
  ['tombstones', 4896, 'b7b50b3aea340f4f7e665879ce098cf10893649b06665bdf1450ef608ed1dbe9'],
])('%s, byte for byte', async (name, lines, digest) => {
  const text = await dump(goldenBlock(`blocks/${name}`).folder)
  expect(text.split('\n').length - 1).toBe(lines)
  expect(sha256(text)).toBe(digest)
})

test('several blocks, a time range, selectors, series alone', async () => {
  const data = path.join(root, 'data')
  for (const name of ['floats', 'histograms']) {
    const block = goldenBlock(`blocks/${name}`)
    await fs.cp(block.folder, path.join(data, block.ulid), { recursive: true })
  }
  await fs.mkdir(path.join(data, 'wal'))
  const range = ['--min-time=1700008000000', '--max-time=1700009000000']
  const some = await dump(...range, '--match={job="gold"}', '--match={__name__=~"g.*"}', data)
  expect(sha256(some)).toBe('b7a2fdaca34fb842da48dc6f547d368d329e3e9bd00ed5cd1fe2c47bda532ff0')
  const series = await dump('--format=seriesjson', data)
  expect(sha256(series)).toBe('2068c66bc526b67656450d00a316938ec6df8caecf13c88e414e5f41223e66e9')
})

test('a downsampled block out of a bucket: one aggregate at a time', async () => {
  const block = [configOf(goldenPath('bucket')), '--id=01M81VCV2QY4VZMAKGC7N7SG0A', '--match={__name__="g_const"}']
  const lines = (await dump(...block, '--aggregate=sum', '--max-time=1700007000000')).trimEnd().split('\n')
  expect(lines[0]).toMatch(/^\{__name__="g_const"\} \d+ \d+$/)
  const counts = (await dump(...block, '--aggregate=count', '--max-time=1700007000000')).trimEnd().split('\n')
  expect(counts).toHaveLength(lines.length)
  expect(await tools('tsdb', 'dump', ...block)).toMatchObject({ status: 2 })
})

const { folder } = goldenBlock('blocks/floats')

test.each([
  [['/none'], 2, 'cannot read /none'],
  [[root], 2, 'got no block there'],
  [[folder, folder], 2, 'argument path is given twice'],
  [[folder, '--match={a='], 2, 'cannot use --match={a='],
  [[folder, configOf(root)], 2, 'got a path and a bucket'],
  [[folder, '--id=01M81VCV2QY4VZMAKGC7N7SG0A'], 1, 'cannot dump block 01M81VCV2QY4VZMAKGC7N7SG0A'],
] as const)('%j: one line, status %d', async (args, status, want) => {
  const outcome = await tools('tsdb', 'dump', ...args)
  expect(outcome.lines).toEqual([expect.stringContaining(want)])
  expect(outcome.status).toBe(status)
})
