// Blocks that we write: golden blocks rewritten are the same files; a real promtool opens ours and dumps the same samples.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { sampleCount } from '../../../lib/chunkenc/encoding.ts'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { formatLabels } from '../../../lib/labels/labels.ts'
import { BlockReader } from '../../../lib/tsdb/block-reader.ts'
import { BlockWriter } from '../../../lib/tsdb/block-writer.ts'
import { writeBlockFromSeries } from '../../../lib/tsdb/series-block.ts'
import { goldenBlock, goldenBlocks, readDump } from '../../support/golden.ts'

const root = mkdtempSync(join(tmpdir(), 'mnemo-blocks-'))
afterAll(() => rmSync(root, { recursive: true }))

const hasPromtool = spawnSync('promtool', ['--version']).status === 0
if (!hasPromtool) console.log('block-writer: no promtool on the PATH, its tests are skipped')

const kernels = createKernels()

/** The value as the golden dumps print it; NaN by its bits. */
function bitsOf(text: string): bigint {
  if (text.startsWith('NaN:')) return BigInt(`0x${text.slice(4)}`)
  const value = text === '+Inf' ? Infinity : text === '-Inf' ? -Infinity : Number(text)
  return new BigUint64Array(new Float64Array([value]).buffer)[0]!
}

describe.each(goldenBlocks())('$name', (block) => {
  test('written again from its content: index, chunks and empty tombstones are the same files', async () => {
    const folder = join(root, block.name.replace('/', '-'), block.ulid)
    const reader = await BlockReader.open(block.folder)
    const writer = await BlockWriter.create({ folder, symbols: reader.index.symbols })
    for await (const { labels, chunks } of reader.index.allSeries()) {
      const encoded = await reader.chunks.read(chunks.map(({ ref }) => ref))
      const merged = encoded.map((chunk, i) => {
        return { ...chunks[i]!, ...chunk, numSamples: sampleCount(chunk.encoding, chunk.data) }
      })
      await writer.addSeries(labels, merged)
    }
    await reader.close()
    const contents = await writer.finish(() => '{}', { tombstones: true })

    const meta = JSON.parse(readFileSync(join(block.folder, 'meta.json'), 'utf8'))
    const { numTombstones: _, ...stats } = meta.stats
    expect({ numHistogramSamples: 0, numFloatSamples: 0, ...stats }).toEqual(contents.stats)
    for (const { relPath, sizeBytes } of contents.files) {
      const written = readFileSync(join(folder, relPath))
      expect(written.length).toBe(sizeBytes)
      if (relPath === 'tombstones' && block.name === 'blocks/tombstones') continue
      expect(written.equals(readFileSync(join(block.folder, relPath))), relPath).toBe(true)
    }
    expect(contents.files.map(({ relPath }) => relPath)).toEqual(['chunks/000001', 'index', 'tombstones'])
    expect(readdirSync(folder)).toEqual(['chunks', 'index', 'meta.json', 'tombstones'])
  })
})

test('every sample of blocks/floats reads as its dump says', async () => {
  const block = goldenBlock('blocks/floats')
  const reader = await BlockReader.open(block.folder)
  const columns = kernels.columns()
  let samples = 0
  for (const series of readDump(block)) {
    columns.clear()
    for (const { data } of await reader.chunks.read(series.chunks.map(({ ref }) => ref)))
      kernels.decodeXor(data, columns)
    expect([...columns.times()]).toEqual(series.samples.map(([time]) => time))
    expect([...columns.valueBits()]).toEqual(series.samples.map(([, value]) => bitsOf(value)))
    samples += columns.length
  }
  columns.free()
  await reader.close()
  expect(samples).toBe(5581)
})

describe('a block that is not finished', () => {
  const symbols = ['a', 'b']
  const chunk = { minTime: 0, maxTime: 1, numSamples: 2, encoding: 1, data: new Uint8Array(30) }

  test('leaves nothing when given up', async () => {
    const folder = join(root, 'given-up')
    const writer = await BlockWriter.create({ folder, symbols })
    await writer.addSeries(['a', 'b'], [chunk])
    await writer.abort()
    expect(readdirSync(root).filter((name) => name.startsWith('given-up'))).toEqual([])
  })

  test('leaves nothing when its meta.json cannot be made', async () => {
    const folder = join(root, 'no-meta')
    const writer = await BlockWriter.create({ folder, symbols })
    const finish = writer.finish(() => {
      throw new Error('no meta')
    })
    await expect(finish).rejects.toThrow('no meta')
    expect(readdirSync(root).filter((name) => name.startsWith('no-meta'))).toEqual([])
  })

  test('never has its name; what it left is replaced', async () => {
    const folder = join(root, 'crashed')
    const crashed = await BlockWriter.create({ folder, symbols })
    await crashed.addSeries(['a', 'b'], [chunk])
    expect(existsSync(folder)).toBe(false)
    const writer = await BlockWriter.create({ folder, symbols })
    await writer.finish(() => '{}')
    await crashed.abort()
    expect(statSync(folder).isDirectory()).toBe(true)
    await expect(BlockWriter.create({ folder, symbols })).rejects.toMatchObject({ code: 'already_exists' })
  })
})

describe.skipIf(!hasPromtool)('promtool', () => {
  const start = 1_700_006_400_000
  const ulid = '01HF00000000000000000000AA'
  const names = ['z_last', 'a', 'utf8\u{1d11e}', 'utf8\ufffd', 'many']
  const series = names.flatMap((name, n) =>
    [1, 119, 120, 121, 500].map((count) => ({
      labels: ['__name__', name, 'count', String(count), 'ünïcode', '\u{10000}'],
      times: Array.from({ length: count }, (_, i) => start + i * 13_000 + (i % 7)),
      values: Array.from({ length: count }, (_, i) => (i % 50 === 3 ? -0 : i * (n + 0.1) * 10 ** (i % 12))),
    })),
  )

  test('lists, analyzes and dumps what we wrote', async () => {
    const data = join(root, 'data')
    const contents = await writeBlockFromSeries({ folder: join(data, ulid), series, kernels })
    mkdirSync(join(data, 'wal'))
    expect(contents.stats).toMatchObject({ numSeries: 25, numSamples: 4305, numChunks: 5 * (1 + 1 + 1 + 2 + 5) })

    const run = (...args: string[]) => execFileSync('promtool', ['tsdb', ...args], { encoding: 'utf8', stdio: 'pipe' })
    expect(run('list', data)).toMatch(
      new RegExp(`${ulid}\\s+${contents.minTime}\\s+${contents.maxTime}\\s.*\\s4305\\s+50\\s+25\\s`),
    )
    expect(run('analyze', data, ulid)).toContain('Postings entries (total label pairs): 75')

    const dumped = run('dump', data).trim().split('\n').sort()
    const want = series.flatMap(({ labels, times, values }) =>
      times.map((time, i) => ({ labels: formatLabels(labels), time, value: values[i]! })),
    )
    const parsed = dumped.map((line) => {
      const [, labels, value, time] = /^(\{.*\}) (\S+) (\d+)$/.exec(line)!
      // Prometheus 3 quotes a name that is not of the classic letters, 2 does not.
      return { labels: labels!.replace('"ünïcode"=', 'ünïcode='), time: Number(time), value: Number(value) }
    })
    const key = (s: { labels: string; time: number }) => `${s.labels}${s.time}`
    const order = (a: { labels: string; time: number }, b: { labels: string; time: number }) =>
      key(a) < key(b) ? -1 : 1
    expect(parsed.sort(order)).toEqual(want.sort(order))
  })

  test('an index with the label indices that older versions write is read like any other', async () => {
    const input = join(root, 'input.om')
    const lines = ['a', 'b', 'c'].flatMap((l) => [1, 2, 3].map((t) => `m{l="${l}",n="x"} ${t} ${start / 1000 + t}`))
    writeFileSync(input, `${lines.join('\n')}\n# EOF\n`)
    const data = join(root, 'created')
    mkdirSync(data)
    execFileSync('promtool', ['tsdb', 'create-blocks-from', 'openmetrics', input, data], { stdio: 'pipe' })
    const folder = join(data, readdirSync(data).find((name) => name.length === 26)!)
    const reader = await BlockReader.open(folder)
    const { index } = reader
    expect(index.labelNames()).toEqual(['__name__', 'l', 'n'])
    const series = await Array.fromAsync(index.allSeries())
    expect(series.map(({ labels }) => formatLabels(labels))).toEqual(
      ['a', 'b', 'c'].map((l) => `{__name__="m", l="${l}", n="x"}`),
    )
    const refs = series.map(({ ref }) => ref)
    expect([...(await index.postings('n', 'x'))]).toEqual(refs)
    expect([...(await index.allPostings())]).toEqual(refs)
    expect([...(await index.postings('l', 'b'))]).toEqual([refs[1]])
    await reader.close()
  })
})
