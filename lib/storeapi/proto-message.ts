// Small protobuf messages by table: a codec is made of field numbers and kinds, its TypeScript type of the same table.
// Specification: https://protobuf.dev/programming-guides/encoding/. Fields with their default value are left out, unknown ones skipped.
// Owns the kinds of fields; messages that come by the million (series) are coded by hand elsewhere.
import type { Labels } from '../labels/labels.ts'
import { labelsOf } from '../labels/labels.ts'
import { ProtoReader } from './proto-reader.ts'
import { ProtoWriter } from './proto-writer.ts'

/** How a field is read and written. `before` is what has been read of it so far: repeated fields grow. */
export interface Field<T> {
  readonly tag: number
  initial(): T
  read(reader: ProtoReader, before: T): T
  write(writer: ProtoWriter, value: T): void
}

export type Fields = Readonly<Record<string, Field<unknown>>>

/** What a message of these fields is in memory: every field is there. */
export type MessageOf<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T> ? T : never
}

/** A message's codec. `T` is its shape in memory. */
export interface Message<T> {
  readonly name: string
  /** Throws `corrupt`. */
  decode(bytes: Uint8Array): T
  encode(value: T): Buffer
  /** The fields that are left of the message at which the reader stands. */
  readFields(reader: ProtoReader): T
  writeFields(writer: ProtoWriter, value: T): void
  /** As it is where nothing was sent. */
  empty(): T
}

const varint = 0
const fixed64 = 1
const delimited = 2

export function message<F extends Fields>(name: string, fields: F): Message<MessageOf<F>> {
  const entries = Object.entries(fields)
  const keyByTag = new Map(entries.map(([key, field]) => [field.tag, key]))
  const empty = (): Record<string, unknown> => Object.fromEntries(entries.map(([key, field]) => [key, field.initial()]))
  const readFields = (reader: ProtoReader): MessageOf<F> => {
    const value = empty()
    reader.fields((tag) => {
      const key = keyByTag.get(tag)
      if (key === undefined) reader.skip(tag)
      else value[key] = fields[key]!.read(reader, value[key])
    })
    return value as MessageOf<F>
  }
  const writeFields = (writer: ProtoWriter, value: MessageOf<F>): void => {
    for (const [key, field] of entries) field.write(writer, value[key])
  }
  return {
    name,
    decode: (bytes) => readFields(new ProtoReader(name, bytes)),
    encode(value) {
      const writer = new ProtoWriter(1024)
      writeFields(writer, value)
      return writer.finish()
    },
    readFields,
    writeFields,
    empty: () => empty() as MessageOf<F>,
  }
}

export function text(field: number): Field<string> {
  return {
    tag: field * 8 + delimited,
    initial: () => '',
    read: (reader) => reader.string(),
    write: (writer, value) => writer.stringField(field, value),
  }
}

export function texts(field: number): Field<readonly string[]> {
  return {
    tag: field * 8 + delimited,
    initial: () => [],
    read: (reader, before) => grown(before, reader.string()),
    write: (writer, values) => {
      for (const value of values) writer.stringElement(field, value)
    },
  }
}

/** int64, int32, uint64 and enums; beyond ±noBoundMs clamped to that. */
export function int(field: number): Field<number> {
  return {
    tag: field * 8 + varint,
    initial: () => 0,
    read: (reader) => reader.int64(),
    write: (writer, value) => writer.intField(field, value),
  }
}

const bits = new DataView(new ArrayBuffer(8))

export function double(field: number): Field<number> {
  return {
    tag: field * 8 + fixed64,
    initial: () => 0,
    read: (reader) => {
      bits.setBigUint64(0, reader.doubleBits())
      return bits.getFloat64(0)
    },
    write: (writer, value) => {
      if (Object.is(value, 0)) return
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setFloat64(0, value, true)
      writer.varint(field * 8 + fixed64)
      writer.raw(bytes)
    },
  }
}

/** A message that is there or not: one of a oneof, for example. */
export function optional<T>(field: number, inner: Message<T>): Field<T | undefined> {
  return {
    tag: field * 8 + delimited,
    initial: () => undefined,
    read: (reader) => readNested(reader, inner),
    write: (writer, value) => {
      if (value !== undefined) writer.message(field, (nested) => inner.writeFields(nested, value))
    },
  }
}

/** A message that counts as empty where it is not there. */
export function nested<T>(field: number, inner: Message<T>): Field<T> {
  return {
    tag: field * 8 + delimited,
    initial: () => inner.empty(),
    read: (reader) => readNested(reader, inner),
    write: (writer, value) => writer.message(field, (message) => inner.writeFields(message, value)),
  }
}

export function list<T>(field: number, inner: Message<T>): Field<readonly T[]> {
  return {
    tag: field * 8 + delimited,
    initial: () => [],
    read: (reader, before) => grown(before, readNested(reader, inner)),
    write: (writer, values) => {
      for (const value of values) writer.message(field, (message) => inner.writeFields(message, value))
    },
  }
}

/** map<string, T>. */
export function mapOf<T>(field: number, inner: Message<T>): Field<ReadonlyMap<string, T>> {
  const entry = message(`${inner.name} entry`, { key: text(1), value: nested(2, inner) })
  return {
    tag: field * 8 + delimited,
    initial: () => new Map(),
    read: (reader, before) => {
      const { key, value } = readNested(reader, entry)
      return (before as Map<string, T>).set(key, value)
    },
    write: (writer, values) => {
      for (const [key, value] of values) writer.message(field, (message) => entry.writeFields(message, { key, value }))
    },
  }
}

const label = message('Label', { name: text(1), value: text(2) })

/** A label set (Thanos's ZLabelSet) in ascending order of names. */
export function labelSet(field: number): Field<Labels> {
  return {
    tag: field * 8 + delimited,
    initial: () => [],
    read: (reader) => {
      const pairs: [string, string][] = []
      reader.nested((tag) => {
        if (tag !== 0x0a) return reader.skip(tag)
        const { name, value } = readNested(reader, label)
        pairs.push([name, value])
      })
      return labelsOf(pairs)
    },
    write: (writer, labels) =>
      writer.message(field, (set) => {
        for (let i = 0; i < labels.length; i += 2)
          set.message(1, (one) => label.writeFields(one, { name: labels[i]!, value: labels[i + 1]! }))
      }),
  }
}

const instantFields = message('Timestamp', { seconds: int(1), nanos: int(2) })

/** Nanoseconds since the epoch of Go's zero time, the start of the year 1, which stands for "never". */
export const zeroTimeNs = -62_135_596_800n * 1_000_000_000n

/** google.protobuf.Timestamp as nanoseconds; always written, as Thanos does. */
export function timestamp(field: number): Field<bigint> {
  const inner = optional(field, instantFields)
  return {
    tag: inner.tag,
    initial: () => zeroTimeNs,
    read: (reader) => instantNs(readNested(reader, instantFields)),
    write: (writer, value) => inner.write(writer, instantOf(value)),
  }
}

/** As timestamp(), where it may be missing. */
export function optionalTimestamp(field: number): Field<bigint | undefined> {
  const inner = timestamp(field)
  return {
    tag: inner.tag,
    initial: () => undefined,
    read: (reader) => inner.read(reader, zeroTimeNs),
    write: (writer, value) => {
      if (value !== undefined) inner.write(writer, value)
    },
  }
}

/** The years 1 to 9999, which is what Go's encoders accept and RFC 3339 can say. */
const seconds = { min: -62_135_596_800, max: 253_402_300_799 }

function instantNs(read: { readonly seconds: number; readonly nanos: number }): bigint {
  const whole = Math.max(seconds.min, Math.min(seconds.max, read.seconds))
  return BigInt(whole) * 1_000_000_000n + BigInt(Math.max(0, Math.min(999_999_999, read.nanos)))
}

function instantOf(ns: bigint): { seconds: number; nanos: number } {
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n
  return { seconds: Number((ns - nanos) / 1_000_000_000n), nanos: Number(nanos) }
}

function readNested<T>(reader: ProtoReader, inner: Message<T>): T {
  const outer = reader.enter()
  const value = inner.readFields(reader)
  reader.leave(outer)
  return value
}

/** The list that a decoder has made itself, one longer. */
function grown<T>(before: readonly T[], element: T): readonly T[] {
  ;(before as T[]).push(element)
  return before
}
