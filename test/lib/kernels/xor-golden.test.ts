// The XOR kernels on every chunk of the golden blocks of floats: each sample as Prometheus dumps it, each chunk re-encoded byte for byte.
// Segments are read here by their plain format (len uvarint, encoding, data, crc32c), so that this test needs kernels alone.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { createKernels } from '../../../lib/kernels/instance.ts'
import { bitsOf, decodeTwin } from './twins/xor.ts'

interface DumpedSeries {
  labels: [string, string][]
  chunks: { ref: number; encoding: number; samples: number; bytes: number }[]
  samples: [number, string][]
}

const folder = path.join(import.meta.dirname, '../../golden/blocks/floats')
const dumps = readdirSync(folder).filter((name) => name.endsWith('.jsonl.gz'))
const kernels = createKernels()
const columns = kernels.columns()

/** The data of the chunk at a reference: segment number in the upper 32 bits, offset in the lower. */
function chunkData(segments: readonly Uint8Array[], ref: number, length: number): Uint8Array {
  const segment = segments[Math.floor(ref / 2 ** 32)]!
  let at = ref % 2 ** 32
  while (segment[at++]! >= 0x80);
  return segment.subarray(at + 1, at + 1 + length)
}

/** A dumped value's bits: Go's 'g' format, NaN with its bits in hex. */
function bitsOfText(text: string): bigint {
  if (text.startsWith('NaN:')) return BigInt(`0x${text.slice(4)}`)
  const value = text.endsWith('Inf') ? (text.startsWith('-') ? -Infinity : Infinity) : Number(text)
  return new BigUint64Array(Float64Array.of(value).buffer)[0]!
}

test('there are golden blocks', () => expect(dumps.length).toBeGreaterThan(0))

test.each(dumps)('%s', (name) => {
  const chunks = path.join(folder, name.replace('.jsonl.gz', ''), 'chunks')
  const segments = readdirSync(chunks).map((file) => new Uint8Array(readFileSync(path.join(chunks, file))))
  const lines = gunzipSync(readFileSync(path.join(folder, name)))
    .toString()
    .trim()
    .split('\n')
  expect(lines.length).toBeGreaterThan(0)
  for (const series of lines.map((line) => JSON.parse(line) as DumpedSeries)) {
    columns.clear()
    for (const chunk of series.chunks) {
      const data = chunkData(segments, chunk.ref, chunk.bytes)
      const from = columns.length
      kernels.decodeXor(data, columns)
      expect(columns.length - from).toBe(chunk.samples)
      expect(kernels.encodeXor(columns, from, columns.length)).toEqual(data)
      const twin = decodeTwin(data)!
      expect(columns.times().slice(from)).toEqual(twin.times)
      expect(columns.valueBits().slice(from)).toEqual(bitsOf(twin))
    }
    expect([...columns.times()]).toEqual(series.samples.map(([time]) => time))
    expect([...columns.valueBits()]).toEqual(series.samples.map(([, value]) => bitsOfText(value)))
  }
})
