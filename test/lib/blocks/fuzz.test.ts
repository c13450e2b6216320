// Fuzzing of what stands beside a block: index-headers, meta.json, markers.
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { IndexHeader } from '../../../lib/blocks/index-header.ts'
import { buildIndexHeader } from '../../../lib/blocks/index-header-build.ts'
import { readMark } from '../../../lib/blocks/markers.ts'
import { formatMeta } from '../../../lib/blocks/meta-format.ts'
import { parseMeta } from '../../../lib/blocks/meta-parse.ts'
import { bufferRandomAccess } from '../../../lib/bytes/random-access.ts'
import { createLogger } from '../../../lib/kit/log.ts'
import { MemoryBucket } from '../../../lib/objstore/memory.ts'
import { ulidOf } from '../../support/block-metas.ts'
import { type Frame, fuzz, fuzzTimeoutMs, mutate, truncate } from '../../support/fuzz.ts'
import { goldenPath } from '../../support/golden.ts'
import { type Random, seed } from '../../support/random.ts'
import { rawIndex } from '../../support/raw-index.ts'

const root = await mkdtemp(path.join(tmpdir(), 'mnemo-fuzz-'))
afterAll(() => rm(root, { recursive: true }))

/** Values that JSON can carry and no meta does. */
const odd = [
  'null',
  '-1',
  '1e300',
  '9223372036854775807',
  '0.5',
  '""',
  '[]',
  '{}',
  '[null]',
  '"\\u0000"',
  '"../x"',
  'true',
  '[[[[]]]]',
]

/** A document with one of its values replaced by an odd one, or mutated as bytes. */
function mutateJson(bytes: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.4)) return mutate(bytes, random)
  const text = Buffer.from(bytes).toString()
  const places = [...text.matchAll(/(?<=[:[,]\s*)("(?:[^"\\]|\\.)*"|-?\d+|\{\}|\[\]|true|false)/g)]
  const place = random.pick(places)
  return Buffer.from(text.slice(0, place.index) + random.pick(odd) + text.slice(place.index + place[0].length))
}

describe(`SEED=${seed}`, () => {
  let files = 0

  /** Everything that a store asks of a header. */
  async function readHeader(bytes: Uint8Array): Promise<void> {
    // A new file each time: some file systems flush one that is written anew.
    const file = path.join(root, String(files++))
    writeFileSync(file, bytes)
    let header: IndexHeader | undefined
    try {
      header = await IndexHeader.open(file)
      for (const name of header.labelNames())
        for (const value of header.labelValues(name)) header.postingsRange(name, value)
      for (let ref = 0; ref < 8; ref++) header.symbol(ref)
      header.findSymbol('job')
    } finally {
      header?.close()
      unlinkSync(file)
    }
  }

  async function smallHeader(): Promise<{ bytes: Buffer; frames: Frame[] }> {
    const series = ['a', 'b', 'c'].map((name) => ({ labels: ['__name__', name, 'job', 'x'], chunks: [] }))
    const made = path.join(root, 'made')
    await buildIndexHeader(bufferRandomAccess('index', rawIndex(series)), made)
    const bytes = readFileSync(made)
    const table = Number(bytes.readBigUInt64BE(bytes.length - 12))
    const frame = (at: number): Frame => [at + 4, at + 4 + bytes.readUInt32BE(at)]
    const end = bytes.length
    return { bytes, frames: [frame(14), frame(table), [end - 72, end - 24], [end - 20, end - 4]] }
  }

  test('index-headers', { timeout: fuzzTimeoutMs }, async () => {
    await fuzz('index-header', [await smallHeader()], readHeader)
  })

  test('an index-header cut at every byte', async () => {
    await truncate('index-header', (await smallHeader()).bytes, readHeader)
  })

  const metas = readdirSync(goldenPath('bucket'))
    .filter((name) => !name.includes('.'))
    .map((ulid) => readFileSync(goldenPath('bucket', ulid, 'meta.json')))

  test('metas', { timeout: fuzzTimeoutMs }, async () => {
    const inputs = metas.map((bytes) => ({ bytes }))
    await fuzz('meta', inputs, (_, random) => {
      const meta = parseMeta(mutateJson(random.pick(metas), random), 'meta.json')
      // What was read can be written, and read again.
      parseMeta(formatMeta(meta), 'meta.json')
    })
  })

  test('a meta.json cut at every byte', async () => {
    // The newline at its end may be missing.
    const [bytes] = metas
    await truncate('meta', bytes!.subarray(0, bytes!.lastIndexOf('}')), (cut) => parseMeta(cut, 'meta.json'))
  })

  test('markers: a deletion mark that cannot be read counts as none, any other as there', {
    timeout: fuzzTimeoutMs,
  }, async () => {
    const logger = createLogger({ level: 'silent' })
    const bucket = new MemoryBucket()
    const ulid = ulidOf(1)
    const kinds = ['deletion', 'no-compact', 'no-downsample'] as const
    const bytesOf = (kind: (typeof kinds)[number]) =>
      Buffer.from(
        `{"id":"${ulid}","version":1,"details":"why","${kind.replace('-', '_')}_time":1700000000,"reason":"manual"}`,
      )
    const inputs = kinds.map((kind) => ({ bytes: bytesOf(kind) }))
    await fuzz('marker', inputs, async (_, random) => {
      const kind = random.pick(kinds)
      await bucket.upload(`${ulid}/${kind}-mark.json`, mutateJson(bytesOf(kind), random))
      const mark = await readMark(bucket, ulid, kind, { logger })
      if (mark) expect(Number.isSafeInteger(mark.timeMs)).toBe(true)
      else expect(kind).toBe('deletion')
    })
  })
})
