// `tools storeapi` against a real store over the golden bucket: what it has, and out of which blocks; and what goes wrong, in a line.
// Owns the store's process and folder.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { bucketFlag, startMnemo } from '../../support/cluster.ts'
import { freePorts } from '../../support/free-port.ts'
import { goldenPath } from '../../support/golden.ts'
import type { TestProcess } from '../../support/process.ts'

let folder: string
let store: TestProcess
let endpoint: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tools-storeapi-'))
  const [http, grpc] = (await freePorts(2)) as [number, number]
  endpoint = `--endpoint=127.0.0.1:${grpc}`
  store = await startMnemo([
    'store',
    bucketFlag(goldenPath('dedup', 'bucket')),
    `--data-dir=${folder}`,
    `--grpc-address=127.0.0.1:${grpc}`,
    `--http-address=127.0.0.1:${http}`,
  ])
  await store.waitForHttp(`http://127.0.0.1:${http}/-/ready`)
})
afterAll(async () => {
  await store?.stop()
  await rm(folder, { recursive: true })
})

async function tool(...args: string[]): Promise<{ status: unknown; lines: string[] }> {
  const process = await startMnemo(['tools', 'storeapi', ...args])
  try {
    return { status: await process.waitForExit(), lines: process.output.trim().split('\n') }
  } finally {
    await process.kill()
  }
}

test('info: in words', async () => {
  const { status, lines } = await tool('info', endpoint)
  const said = JSON.parse(lines.join('\n')) as Record<string, unknown>
  expect(status).toBe(0)
  expect(said).toMatchObject({
    componentType: 'store',
    labelSets: ['{cluster="gold", replica="a"}', '{cluster="gold", replica="b"}'],
    store: { minTime: '2023-11-15T00:00:00.000Z', maxTime: '2023-11-15T04:00:00.000Z' },
  })
})

const range = ['--min-time=2023-11-15T00:00:00Z', '--max-time=2023-11-15T01:00:00Z']

test('series: a line each, and the blocks that were queried, those of the time range alone', async () => {
  const { status, lines } = await tool('series', endpoint, '--match=r_only_a', ...range)
  expect(status).toBe(0)
  const series = lines.filter((line) => line.startsWith('{'))
  expect(series).toEqual([
    expect.stringMatching(
      /^\{__name__="r_only_a", .*replica="a"\} chunks=\d+ bytes=\d+ 2023-11-15T00:.*\.\.2023-11-15T0/,
    ),
  ])
  expect(lines.filter((line) => line.startsWith('# queried block 01'))).toHaveLength(lines.length - series.length)
  const all = await tool('series', endpoint, '--match={__name__=~".+"}', ...range, '--skip-chunks', '--limit=2')
  expect(all.lines.filter((line) => line.startsWith('{')).map((line) => line.endsWith('}'))).toEqual([true, true])
  const both = await tool('series', endpoint, '--match=r_gauge', ...range, '--without-replica-label=replica')
  const labels = both.lines.filter((line) => line.startsWith('{')).map((line) => line.replace(/ chunks=.*/, ''))
  expect(labels.every((line) => !line.includes('replica'))).toBe(true)
  expect(both.lines.filter((line) => line.startsWith('# queried block'))).toHaveLength(2)
})

test('a selector that is none: status 2; an endpoint that is not there: status 1, a line each', async () => {
  expect(await tool('series', endpoint, '--match={')).toEqual({
    status: 2,
    lines: [expect.stringContaining('--match={')],
  })
  const gone = await tool('info', '--endpoint=127.0.0.1:1')
  expect(gone).toEqual({ status: 1, lines: [expect.stringContaining('cannot call Info of 127.0.0.1:1')] })
})
