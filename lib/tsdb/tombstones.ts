// A block's tombstones: time intervals, by series, whose samples have been deleted.
// Specification: Prometheus tsdb/docs/format/tombstones.md: `magic 0130BA30 u32 | version 1 u8 | (ref uvarint, mint varint, maxt varint)… | crc32c`.
// Owns the file; the checksum covers the entries alone.
import { readFile, rename } from 'node:fs/promises'
import { Cursor, corruptError, hex32 } from '../bytes/cursor.ts'
import { EncodeBuffer } from '../bytes/encode-buffer.ts'
import { FileWriter } from '../bytes/file-writer.ts'
import { fileError } from '../bytes/random-access.ts'

const magic = 0x0130ba30
const version = 1
const headerBytes = 5

/** Both ends included, in ms; int64's extremes are ±Number.MAX_SAFE_INTEGER. */
export interface Interval {
  readonly minTime: number
  readonly maxTime: number
}

/** Intervals by series reference, ascending and apart. */
export type Tombstones = ReadonlyMap<number, readonly Interval[]>

export const tombstonesFile = 'tombstones'
/** A file without a single interval: header and checksum. Prometheus writes one into each block. */
export const emptyTombstonesBytes = headerBytes + 4
/** More than this, some millions of intervals, is refused. */
export const maxTombstonesBytes = 64 * 1024 * 1024

/** The bytes of a tombstones file. */
export function encodeTombstones(tombstones: Tombstones): Uint8Array {
  const out = new EncodeBuffer()
  out.u32(magic)
  out.u8(version)
  for (const [ref, intervals] of tombstones) {
    for (const { minTime, maxTime } of intervals) {
      out.uvarint(ref)
      out.varint(minTime)
      out.varint(maxTime)
    }
  }
  out.crc32c(headerBytes)
  return out.copyBytes()
}

/** Throws `corrupt`. Intervals that touch or overlap are joined. */
export function decodeTombstones(bytes: Uint8Array, file: string): Tombstones {
  const cursor = new Cursor(bytes, { file, section: 'tombstones', offset: 0 }, 0, bytes.length)
  const gotMagic = cursor.u32()
  if (gotMagic !== magic) throw corruptError(cursor.place, 0, `got magic ${hex32(gotMagic)}, want ${hex32(magic)}`)
  const gotVersion = cursor.u8()
  if (gotVersion !== version) throw corruptError(cursor.place, 4, `got version ${gotVersion}, want ${version}`)
  cursor.checkCrc32c(Math.max(0, cursor.remaining - 4))
  const intervals = new Map<number, Interval[]>()
  while (cursor.remaining > 4) {
    const ref = cursor.uvarint()
    const minTime = cursor.varintClamped()
    const maxTime = cursor.varintClamped()
    if (maxTime < minTime) cursor.fail(`got an interval from ${minTime} to ${maxTime}`)
    const known = intervals.get(ref)
    if (known === undefined) intervals.set(ref, [{ minTime, maxTime }])
    else known.push({ minTime, maxTime })
  }
  if (cursor.remaining !== 4) cursor.fail('got an interval that runs into the checksum')
  return new Map([...intervals].map(([ref, list]) => [ref, joinIntervals(list)]))
}

/** The same times as ascending intervals that neither touch nor overlap. */
export function joinIntervals(intervals: readonly Interval[]): Interval[] {
  const out: Interval[] = []
  for (const interval of intervals.toSorted((a, b) => a.minTime - b.minTime)) {
    const last = out.at(-1)
    if (last === undefined || interval.minTime > last.maxTime + 1) out.push(interval)
    else if (interval.maxTime > last.maxTime) out[out.length - 1] = { minTime: last.minTime, maxTime: interval.maxTime }
  }
  return out
}

/** A file's tombstones; none where there is no file. */
export async function readTombstones(path: string): Promise<Tombstones> {
  let bytes: Uint8Array
  try {
    bytes = await readFile(path)
  } catch (error) {
    const failure = fileError(`cannot read ${path}`, error)
    if (failure.code === 'not_found') return new Map()
    throw failure
  }
  return decodeTombstones(bytes, path)
}

/** Writes the file under another name, then renames it. Returns its size. */
export async function writeTombstones(path: string, tombstones: Tombstones): Promise<number> {
  const bytes = encodeTombstones(tombstones)
  const file = await FileWriter.create(`${path}.tmp`)
  try {
    await file.append(bytes)
  } catch (error) {
    await file.abort()
    throw error
  }
  await file.finish()
  await rename(`${path}.tmp`, path)
  return bytes.length
}
