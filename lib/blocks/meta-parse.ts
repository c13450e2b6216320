// Reads meta.json, checking what later becomes a path, a size or a time.
// Specification: Prometheus tsdb/block.go (BlockMeta, version 1), Thanos pkg/block/metadata (version 1).
// Owns the caps; a document that breaks them is `corrupt`, one of another version `unsupported`.
import { MnemoError } from '../kit/errors.ts'
import { labelsOf } from '../labels/labels.ts'
import { isUlid } from './block-name.ts'
import { type JsonObject, type JsonValue, orderedJson } from './go-json.ts'
import type { BlockCompaction, BlockDescription, BlockFile, BlockMeta, BlockStats, ThanosMeta } from './meta.ts'

/** Longest meta.json that is read: a block of some hundred thousand sources or files. */
export const maxMetaBytes = 16 * 1024 * 1024

/** The meta in the bytes of `file`. Throws `corrupt`, or `unsupported` for another version. */
export function parseMeta(bytes: Uint8Array | string, file: string): BlockMeta {
  if (bytes.length > maxMetaBytes) throw corrupt(file, `${bytes.length} bytes`, `at most ${maxMetaBytes}`)
  const reader = new Reader(file, parseJson(bytes, file))
  const version = reader.number('version')
  if (version !== 1) throw unsupported(file, 'version', version)
  const minTime = reader.number('minTime')
  const maxTime = reader.number('maxTime')
  if (minTime > maxTime) throw corrupt(file, `minTime ${minTime} and maxTime ${maxTime}`, 'minTime first')
  const ulid = reader.ulid('ulid')
  return {
    ulid,
    minTime,
    maxTime,
    stats: parseStats(reader.object('stats')),
    compaction: parseCompaction(reader.object('compaction'), ulid),
    thanos: parseThanos(reader.object('thanos')),
    ...reader.rest(),
  }
}

/** Whether what parseMeta threw is about bytes that are no JSON at all, as where writing them was broken off. */
export function isTorn(error: MnemoError): boolean {
  return error.cause instanceof SyntaxError
}

function parseJson(bytes: Uint8Array | string, file: string): JsonValue {
  try {
    const text = typeof bytes === 'string' ? bytes : new TextDecoder('utf-8').decode(bytes)
    return orderedJson(JSON.parse(text))
  } catch (cause) {
    throw new MnemoError('corrupt', `cannot read ${file}: got ${bytes.length} bytes that are no JSON`, { cause })
  }
}

function parseStats(stats: Reader): BlockStats {
  return {
    numSamples: stats.count('numSamples') ?? 0,
    ...optional('numFloatSamples', stats.count('numFloatSamples')),
    ...optional('numHistogramSamples', stats.count('numHistogramSamples')),
    numSeries: stats.count('numSeries') ?? 0,
    numChunks: stats.count('numChunks') ?? 0,
    ...optional('numTombstones', stats.count('numTombstones')),
    ...stats.rest(),
  }
}

// A block that names no source is its own: else any other block would seem to cover it.
function parseCompaction(compaction: Reader, ulid: string): BlockCompaction {
  const parents = compaction.list('parents', (item) => parseDescription(item))
  const hints = compaction.list('hints', (item) => item.text())
  const sources = compaction.list('sources', (item) => item.asUlid())
  return {
    level: compaction.count('level') ?? 0,
    sources: sources.length > 0 ? sources : [ulid],
    ...(compaction.flag('deletable') && { deletable: true }),
    ...(parents.length > 0 && { parents }),
    ...(compaction.flag('failed') && { failed: true }),
    ...(hints.length > 0 && { hints }),
    ...compaction.rest(),
  }
}

function parseDescription(parent: Reader): BlockDescription {
  return { ulid: parent.ulid('ulid'), minTime: parent.number('minTime'), maxTime: parent.number('maxTime') }
}

function parseThanos(thanos: Reader): ThanosMeta {
  const version = thanos.count('version')
  if (version !== undefined && version > 1) throw unsupported(thanos.file, 'thanos.version', version)
  const indexStats = thanos.object('index_stats')
  const uploadTime = thanos.string('upload_time')
  const rewrites = thanos.value('rewrites')
  const extensions = thanos.value('extensions')
  return {
    ...(version === 1 && { version }),
    labels: labelsOf(thanos.texts('labels')),
    resolutionMs: thanos.object('downsample').count('resolution') ?? 0,
    source: thanos.string('source') ?? '',
    segmentFiles: thanos.list('segment_files', (item) => item.path()),
    files: thanos.list('files', (item) => parseFile(item)),
    ...(Array.isArray(rewrites) && rewrites.length > 0 && { rewrites }),
    indexStats: {
      ...optional('seriesMaxSize', indexStats.count('series_max_size')),
      ...optional('chunkMaxSize', indexStats.count('chunk_max_size')),
    },
    ...(extensions !== undefined && extensions !== null && { extensions }),
    uploadTimeMs: uploadTime === undefined ? 0 : parseUploadTimeMs(uploadTime, thanos.file),
    ...optional('uploadTimeText', uploadTime),
    ...thanos.rest(),
  }
}

function parseFile(file: Reader): BlockFile {
  const relPath = file.object('rel_path').path()
  const sizeBytes = file.count('size_bytes')
  const hash = file.value('hash')
  const hashReader = hash instanceof Map ? new Reader(file.file, hash) : undefined
  return {
    relPath,
    ...(sizeBytes && { sizeBytes }),
    ...(hashReader && {
      hash: { func: hashReader.string('hashFunc') ?? '', value: hashReader.string('value') ?? '' },
    }),
  }
}

/** Go's zero time is year 1: never. */
export function parseUploadTimeMs(text: string, file: string): number {
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) throw corrupt(file, `upload_time ${JSON.stringify(text)}`, 'a time as in RFC 3339')
  return Math.max(0, ms)
}

function optional<K extends string, T>(key: K, value: T | undefined): { [key in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { [key in K]?: T }
}

/** Reads a JSON value by its fields; what was not read is given by rest(). Null and absent are the same, as in Go. */
class Reader {
  readonly file: string
  readonly #value: JsonValue | undefined
  readonly #path: string
  readonly #unread: Map<string, JsonValue>

  constructor(file: string, value: JsonValue | undefined, path = '') {
    this.file = file
    this.#path = path
    this.#value = value
    this.#unread = value instanceof Map ? new Map(value) : new Map()
    if (path === '' && !(value instanceof Map)) throw this.#wrong('an object')
  }

  value(key: string): JsonValue | undefined {
    const value = this.#unread.get(key)
    this.#unread.delete(key)
    return value ?? undefined
  }

  /** The field to read on in: an object, or a scalar of which the type is asked next. */
  object(key: string): Reader {
    return new Reader(this.file, this.value(key), `${this.#path}.${key}`)
  }

  /** A time or version: must be there. Beyond ±2^53 it means "no bound" and is clamped. */
  number(key: string): number {
    const value = this.value(key)
    if (typeof value !== 'number' || !Number.isInteger(value)) throw this.object(key).#wrong('a whole number', value)
    return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, value))
  }

  /** A whole number of at least 0. */
  count(key: string): number | undefined {
    const value = this.value(key)
    if (value === undefined) return undefined
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number
    throw this.object(key).#wrong('a whole number of at least 0', value)
  }

  flag(key: string): boolean {
    return this.value(key) === true
  }

  string(key: string): string | undefined {
    const value = this.value(key)
    return value === undefined ? undefined : new Reader(this.file, value, `${this.#path}.${key}`).text()
  }

  ulid(key: string): string {
    return this.object(key).asUlid()
  }

  list<T>(key: string, item: (reader: Reader) => T): T[] {
    const value = this.value(key)
    if (value === undefined) return []
    if (!Array.isArray(value)) throw this.object(key).#wrong('a list', value)
    return value.map((element: JsonValue, i) => item(new Reader(this.file, element, `${this.#path}.${key}[${i}]`)))
  }

  /** An object of texts. */
  texts(key: string): [string, string][] {
    const texts = this.object(key)
    return [...texts.#unread.keys()].map((name) => [name, texts.string(name) ?? ''])
  }

  text(): string {
    if (typeof this.#value !== 'string') throw this.#wrong('text')
    return this.#value
  }

  asUlid(): string {
    const text = this.text()
    if (!isUlid(text)) throw this.#wrong('a ULID')
    return text
  }

  /** A path that stays in the block's folder. */
  path(): string {
    const text = this.text()
    const isSafe = text.split('/').every((part) => part !== '' && part !== '.' && part !== '..' && !part.includes('\0'))
    if (!isSafe) throw this.#wrong('a path within the block')
    return text
  }

  rest(): { unknown?: JsonObject } {
    return this.#unread.size > 0 ? { unknown: this.#unread } : {}
  }

  #wrong(want: string, value: JsonValue | undefined = this.#value): MnemoError {
    const shown = value instanceof Map ? 'an object' : (JSON.stringify(value)?.slice(0, 100) ?? 'nothing')
    return corrupt(this.file, this.#path === '' ? shown : `${this.#path.slice(1)} ${shown}`, want)
  }
}

function corrupt(file: string, got: string, want: string): MnemoError {
  return new MnemoError('corrupt', `cannot read ${file}: got ${got}, want ${want}`)
}

function unsupported(file: string, what: string, version: number): MnemoError {
  return new MnemoError('unsupported', `cannot read ${file}: got ${what} ${version}, want 1`)
}
