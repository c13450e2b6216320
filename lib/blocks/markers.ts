// Marks on blocks: to be deleted, not to be compacted, not to be downsampled.
// Specification: Thanos pkg/block/metadata/markers.go; JSON files of version 1 beside a block's meta.json.
// Owns their reading and writing. A mark that exists is never overwritten: the first reason stays.
import { MnemoError } from '../kit/errors.ts'
import type { Logger } from '../kit/log.ts'
import type { Bucket } from '../objstore/bucket.ts'
import { formatGoJson } from './go-json.ts'
import type { News } from './news.ts'

export type MarkKind = 'deletion' | 'no-compact' | 'no-downsample'

export const markFileNames: Readonly<Record<MarkKind, string>> = {
  deletion: 'deletion-mark.json',
  'no-compact': 'no-compact-mark.json',
  'no-downsample': 'no-downsample-mark.json',
}

/** Thanos's reasons of a no-compact or no-downsample mark. */
export type MarkReason =
  | 'manual'
  | 'index-size-exceeding'
  | 'block-index-out-of-order-chunk'
  | 'downsample-vertical-compaction'
  | (string & {})

export interface Mark {
  readonly kind: MarkKind
  /** The block's ULID. */
  readonly ulid: string
  /** When it was put, unix ms (a full second). */
  readonly timeMs: number
  /** '' for deletion marks. */
  readonly reason: MarkReason
  readonly details: string
}

export interface ReadMarkOptions {
  readonly logger?: Logger | undefined
  /** Says what is in the log already. */
  readonly news?: News | undefined
  readonly signal?: AbortSignal | undefined
}

/** Marks are some hundred bytes; a larger file is none. */
const maxMarkBytes = 64 * 1024

/**
 * The mark of a block, undefined where there is none. One that cannot be read is logged; then a deletion mark counts
 * as missing (nothing is deleted on a doubt), any other as there (nothing is rewritten on a doubt).
 */
export async function readMark(
  bucket: Bucket,
  ulid: string,
  kind: MarkKind,
  { logger, news, signal }: ReadMarkOptions = {},
): Promise<Mark | undefined> {
  const name = `${ulid}/${markFileNames[kind]}`
  try {
    const bytes = await bucket.getRange(name, 0, maxMarkBytes + 1, signal)
    return parseMark(bytes, { ulid, kind, name })
  } catch (error) {
    if (!(error instanceof MnemoError)) throw error
    if (error.code === 'not_found') return undefined
    if (error.code !== 'corrupt') throw error
    if (news?.isNew(`${ulid} ${error.message}`) !== false)
      logger?.warn({ block: ulid, err: error }, `unreadable mark: ${kind === 'deletion' ? 'ignored' : 'honoured'}`)
    return kind === 'deletion' ? undefined : { kind, ulid, timeMs: 0, reason: 'manual', details: 'unreadable mark' }
  }
}

/** The field that says when. */
const timeFields: Readonly<Record<MarkKind, string>> = {
  deletion: 'deletion_time',
  'no-compact': 'no_compact_time',
  'no-downsample': 'no_downsample_time',
}

/** The mark in a file's bytes. Throws `corrupt`. */
function parseMark(bytes: Uint8Array, at: { ulid: string; kind: MarkKind; name: string }): Mark {
  const { ulid, kind, name } = at
  if (bytes.length > maxMarkBytes) throw corrupt(name, `more than ${maxMarkBytes} bytes`)
  let mark: Record<string, unknown> | null
  try {
    mark = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown> | null
  } catch (cause) {
    throw corrupt(name, `${bytes.length} bytes that are no JSON`, cause)
  }
  const time = mark?.[timeFields[kind]]
  const { version, reason = '', details = '' } = mark ?? {}
  if (version !== 1) throw corrupt(name, `version ${JSON.stringify(version)}`)
  if (typeof time !== 'number' || !Number.isSafeInteger(time * 1000))
    throw corrupt(name, `${timeFields[kind]} ${JSON.stringify(time)}`)
  return { kind, ulid, timeMs: time * 1000, reason: String(reason), details: String(details) }
}

function corrupt(name: string, got: string, cause?: unknown): MnemoError {
  const message = `cannot read ${name}: got ${got}, want a mark of version 1`
  return new MnemoError('corrupt', message, cause === undefined ? {} : { cause })
}

export interface PutMarkOptions {
  /** For people: why. */
  readonly details?: string
  /** For no-compact and no-downsample marks; `manual` unless told. */
  readonly reason?: MarkReason
  /** Unix ms. */
  readonly nowMs?: number
  readonly signal?: AbortSignal | undefined
}

/** Puts a mark; false where the block has one of that kind already, which stays as it is. */
export async function putMark(
  bucket: Bucket,
  ulid: string,
  kind: MarkKind,
  options: PutMarkOptions = {},
): Promise<boolean> {
  const { details = '', reason = 'manual', nowMs = Date.now(), signal } = options
  const body = new Map<string, string | number>([
    ['id', ulid],
    ['version', 1],
  ])
  if (details !== '') body.set('details', details)
  body.set(timeFields[kind], Math.floor(nowMs / 1000))
  if (kind !== 'deletion') body.set('reason', reason)
  try {
    await bucket.putIfAbsent(`${ulid}/${markFileNames[kind]}`, Buffer.from(formatGoJson(body, false)), signal)
    return true
  } catch (error) {
    if (error instanceof MnemoError && error.code === 'already_exists') return false
    throw error
  }
}

/** Takes a mark away; one that is not there is no error. */
export async function removeMark(bucket: Bucket, ulid: string, kind: MarkKind, signal?: AbortSignal): Promise<void> {
  await bucket.delete(`${ulid}/${markFileNames[kind]}`, signal)
}
