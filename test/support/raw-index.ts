// Indices that the project's own writer would refuse: series and labels in any order, chunks of any times.
// Specification: Prometheus tsdb/docs/format/index.md, version 2. Every checksum is right.
// Owns nothing; what is wrong with the index is what the test asked for.
import { EncodeBuffer } from '../../lib/bytes/encode-buffer.ts'
import { compareStrings } from '../../lib/labels/labels.ts'
import { encodeIndexToc } from '../../lib/tsdb/index-format.ts'
import { encodePostings } from '../../lib/tsdb/postings.ts'
import type { SeriesEntry } from '../../lib/tsdb/series-entry.ts'

export function rawIndex(series: readonly SeriesEntry[]): Uint8Array {
  const out = new EncodeBuffer()
  const symbols = [...new Set(series.flatMap(({ labels }) => labels))].sort(compareStrings)
  out.u32(0xbaaad700)
  out.u8(2)
  frame(out, symbols.length, (entries) => {
    for (const symbol of symbols) entries.uvarintString(symbol)
  })
  const seriesStart = out.length
  const refs = series.map((one) => {
    align(out, 16)
    const ref = out.length / 16
    out.raw(entryOf(one, (text) => symbols.indexOf(text)))
    return ref
  })
  const labelIndices = out.length
  align(out, 4)
  const offsets: [string, string, number][] = []
  const list = (name: string, value: string, members: readonly number[]) => {
    offsets.push([name, value, out.length])
    out.raw(encodePostings(Uint32Array.from(members)))
  }
  list('', '', refs)
  const pairs = new Map<string, [string, string]>()
  for (const { labels } of series)
    for (let i = 0; i < labels.length; i += 2)
      pairs.set(JSON.stringify([labels[i], labels[i + 1]]), [labels[i]!, labels[i + 1]!])
  const inOrder = [...pairs.values()].sort((a, b) => compareStrings(a[0], b[0]) || compareStrings(a[1], b[1]))
  for (const [name, value] of inOrder)
    list(
      name,
      value,
      refs.filter((_, i) => hasPair(series[i]!.labels, name, value)),
    )
  const postingsTable = out.length
  frame(out, offsets.length, (entries) => {
    for (const [name, value, offset] of offsets) {
      entries.uvarint(2)
      entries.uvarintString(name)
      entries.uvarintString(value)
      entries.uvarint(offset)
    }
  })
  const toc = { symbols: 5, series: seriesStart, labelIndices, labelOffsetTable: postingsTable, postings: labelIndices }
  out.raw(encodeIndexToc({ ...toc, postingsTable }))
  return out.copyBytes()
}

function hasPair(labels: readonly string[], name: string, value: string): boolean {
  for (let i = 0; i < labels.length; i += 2) if (labels[i] === name && labels[i + 1] === value) return true
  return false
}

function entryOf({ labels, chunks }: SeriesEntry, symbolOf: (text: string) => number): Uint8Array {
  const content = new EncodeBuffer()
  content.uvarint(labels.length / 2)
  for (const text of labels) content.uvarint(symbolOf(text))
  content.uvarint(chunks.length)
  chunks.forEach(({ minTime, maxTime, ref }, i) => {
    if (i === 0) content.varint(minTime)
    else twosComplement(content, minTime - chunks[i - 1]!.maxTime)
    content.uvarint(maxTime - minTime)
    if (i === 0) content.uvarint(ref)
    else content.varint(ref - chunks[i - 1]!.ref)
  })
  const out = new EncodeBuffer()
  out.uvarint(content.length)
  content.crc32c()
  out.raw(content.borrowBytes())
  return out.copyBytes()
}

/** As Go writes a negative int64 as a uvarint. */
function twosComplement(out: EncodeBuffer, value: number): void {
  let rest = BigInt.asUintN(64, BigInt(value))
  for (; rest >= 0x80n; rest >>= 7n) out.u8(Number(rest & 0x7fn) | 0x80)
  out.u8(Number(rest))
}

function frame(out: EncodeBuffer, count: number, write: (entries: EncodeBuffer) => void): void {
  const entries = new EncodeBuffer()
  entries.u32(count)
  write(entries)
  out.u32(entries.length)
  entries.crc32c()
  out.raw(entries.borrowBytes())
}

function align(out: EncodeBuffer, size: number): void {
  while (out.length % size !== 0) out.u8(0)
}
