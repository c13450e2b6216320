// `mnemo tools bucket replicate` and `downsample` as real processes over buckets in directories.
import * as fs from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MetaFetcher } from '../../../lib/blocks/fetcher.ts'
import { FilesystemBucket } from '../../../lib/objstore/filesystem.ts'
import { freePorts } from '../../support/free-port.ts'
import { goldenPath } from '../../support/golden.ts'
import { TestProcess } from '../../support/process.ts'
import { configOf, executable, tools } from '../../support/tools.ts'

const root = await fs.mkdtemp(path.join(tmpdir(), 'mnemo-tools-move-'))
afterAll(() => fs.rm(root, { recursive: true }))

async function metasOf(directory: string) {
  return [...(await new MetaFetcher({ bucket: new FilesystemBucket(directory) }).fetch()).metas.values()]
}

/** A copy of the golden bucket's blocks that are there whole. */
async function goldenCopy(name: string): Promise<string> {
  const directory = path.join(root, name)
  for (const ulid of await fs.readdir(goldenPath('bucket'))) {
    const folder = goldenPath('bucket', ulid)
    if ((await fs.readdir(folder)).includes('chunks'))
      await fs.cp(folder, path.join(directory, ulid), { recursive: true })
  }
  return directory
}

test('replicate: what is chosen, each file as it is; one that is not whole is named, the others go on', async () => {
  const from = await goldenCopy('from')
  const to = path.join(root, 'to')
  const replicate = (...args: string[]) =>
    tools('bucket', 'replicate', configOf(from), configOf(to, 'objstore-to'), ...args)
  const chosen = await replicate('--single-run', '--resolution=5m', '--matcher=replica="long",cluster=~"g.*"')
  expect(chosen.status).toBe(0)
  expect(chosen.output).toContain('replicated=2 failed=0')
  const ulids = (await metasOf(to)).map(({ ulid }) => ulid)
  expect(ulids).toEqual((await metasOf(from)).filter(({ thanos }) => thanos.resolutionMs > 0).map(({ ulid }) => ulid))
  for (const file of ['meta.json', 'index', 'chunks/000001'])
    expect(await fs.readFile(path.join(to, ulids[0]!, file))).toEqual(
      await fs.readFile(path.join(from, ulids[0]!, file)),
    )
  const broken = (await metasOf(from)).find(({ thanos }) => thanos.resolutionMs === 0)!.ulid
  await fs.truncate(path.join(from, broken, 'index'), 100)
  const rest = await replicate('--single-run')
  expect(rest.status).toBe(1)
  expect(rest.output).toContain('replicated=3 failed=1')
  expect(rest.lines).toEqual([`mnemo tools bucket replicate: cannot replicate ${broken}: the log says why`])
  expect(await metasOf(to)).toHaveLength(5)
  expect((await replicate(`--id=${ulids[0]}`)).output).toContain('the target has this block')
})

test('replicate goes on until it is stopped, and tells its metrics', async () => {
  const [port] = await freePorts(1)
  const from = await goldenCopy('steady')
  const args = ['tools', 'bucket', 'replicate', configOf(from), configOf(path.join(root, 'steady-to'), 'objstore-to')]
  const running = await TestProcess.start({
    command: process.execPath,
    args: [executable, ...args, `--http-address=127.0.0.1:${port}`],
  })
  try {
    await running.waitForOutput(/replication done/)
    const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
    expect(metrics).toContain('thanos_replicate_blocks_replicated_total 6')
  } finally {
    expect(await running.stop()).toBe(0)
  }
})

test('downsample: what is long enough, as Thanos has it, and nothing the second time', async () => {
  const directory = await goldenCopy('downsample')
  const before = await metasOf(directory)
  const theirs = before.filter(({ thanos }) => thanos.resolutionMs > 0)
  for (const { ulid } of theirs) await fs.rm(path.join(directory, ulid), { recursive: true })
  const downsample = (...args: string[]) =>
    tools('bucket', 'downsample', configOf(directory), `--data-dir=${path.join(root, 'data')}`, ...args)
  const first = await downsample('--wait-interval=5m')
  expect(first.output).toContain('--wait-interval has no effect: it ends when nothing is left to do')
  expect(first.status, first.output).toBe(0)
  expect(first.output).toContain('msg="downsampling done" blocks=2')
  const figures = (metas: typeof before) =>
    metas.map(({ minTime, compaction, stats: { numSeries, numChunks } }) =>
      JSON.stringify([minTime, compaction.sources, numSeries, numChunks]),
    )
  const ours = (await metasOf(directory)).filter(({ thanos }) => thanos.resolutionMs > 0)
  expect(figures(ours).sort()).toEqual(figures(theirs).sort())
  expect((await downsample()).output).toContain('msg="downsampling done" blocks=0')
  const refused = await downsample('--hash-func=SHA256')
  expect(refused).toMatchObject({ status: 2, lines: [expect.stringContaining('hashes of files are not written')] })
})
